"""The loop: which revision of a project is due, whether it may go out, how it is brought out, kept and taken back."""
