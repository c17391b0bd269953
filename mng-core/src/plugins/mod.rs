//! What is linked, what of it is enabled, and what it brings.
