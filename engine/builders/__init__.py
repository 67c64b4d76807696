"""What makes an image on the client's side and hands it to an engine. `build.build_image` is the door."""
