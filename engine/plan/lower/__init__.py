"""From the project's nouns to bodies of the Engine API: `containers` here, one module a target."""
