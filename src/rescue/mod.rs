//! What every mirror carries for a person without this program.
