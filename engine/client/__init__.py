"""The async client of the Docker Engine API: one file per noun, options in, result out, our errors."""
