//! What every mirror carries for a person without this program.
//!
//! [`README`] speaks to someone who has found the folder, perhaps years later. [`FORMAT`] is the normative description
//! of every byte; where it and the code disagree, one of them has a bug. [`SCRIPT`] restores with Python alone; it was
//! written from `FORMAT.txt` and shares nothing with this program. All lie at the top of each mirror as they are.

/// `README.txt`: what the folder is and how to get the files back.
pub const README: &str = include_str!("README.txt");

/// `FORMAT.txt`: format version 1, enough to write a reader from.
pub const FORMAT: &str = include_str!("FORMAT.txt");

/// `rescue.py`: reads a mirror with nothing but Python and the right secret.
pub const SCRIPT: &str = include_str!("rescue.py");

/// Every such file with its name at the top of a mirror.
pub const FILES: [(&str, &str); 3] = [
    ("README.txt", README),
    ("FORMAT.txt", FORMAT),
    ("rescue.py", SCRIPT),
];
