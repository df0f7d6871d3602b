//! 128 bits as twelve words of the English BIP39 list, with its four bits of checksum, and six words that name a key.
//!
//! Words are checked without ever being shown: an error says which word is wrong, and only the part of the program
//! that talks to a person asks it for the word that was typed and the one that is nearest.

use crate::crypto::secret::Secret;
use bip39::{Language, Mnemonic};
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// Words of a recovery secret.
pub const WORDS: usize = 12;
/// Bytes that hold the 66 bits of a fingerprint.
pub const FINGERPRINT_BYTES: usize = 9;

/// What is wrong with words that were typed. Positions count from 1.
#[derive(Clone, PartialEq, Eq)]
pub enum WordsError {
    /// There are this many words and not twelve.
    Count(usize),
    /// A word is not in the list.
    Unknown {
        /// Which one.
        position: usize,
        /// As it was typed.
        word: String,
        /// The word of the list that is most like it.
        nearest: &'static str,
    },
    /// All words are known, and together they are wrong: two have changed places, or one is another.
    Checksum,
}

impl fmt::Display for WordsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count} recovery words instead of {WORDS}"),
            Self::Unknown { position, .. } => {
                write!(f, "recovery word {position} is not in the word list")
            }
            Self::Checksum => f.write_str(
                "the recovery words do not belong together: one is wrong, or two have changed places",
            ),
        }
    }
}

impl fmt::Debug for WordsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for WordsError {}

/// The twelve words of 128 bits.
pub fn to_words(entropy: &Secret<16>) -> [&'static str; WORDS] {
    let mnemonic = Mnemonic::from_entropy_in(Language::English, entropy.expose())
        .expect("128 bits are twelve words");
    let mut words = [""; WORDS];
    for (place, word) in words.iter_mut().zip(mnemonic.words()) {
        *place = word;
    }
    words
}

/// Reads twelve words, in any case and with any white space between them; the first four letters stand for a word.
pub fn from_words(text: &str) -> Result<Secret<16>, WordsError> {
    let count = text.split_whitespace().count();
    if count != WORDS {
        return Err(WordsError::Count(count));
    }
    // The longest word of the list has eight letters: this never moves and leaves no copy behind.
    let mut whole = Zeroizing::new(String::with_capacity(WORDS * 9));
    for (at, word) in text.split_whitespace().enumerate() {
        if at > 0 {
            whole.push(' ');
        }
        whole.push_str(find(word).ok_or_else(|| unknown(word, at + 1))?);
    }
    let mnemonic = Mnemonic::parse_in_normalized(Language::English, &whole)
        .map_err(|_| WordsError::Checksum)?;
    let (mut bytes, _) = mnemonic.to_entropy_array();
    let secret = Secret::filled(|out| out.copy_from_slice(&bytes[..16]));
    bytes.zeroize();
    Ok(secret)
}

/// Whether `word`, the one at `position`, is in the list: for checking each as it is typed.
pub fn check_word(word: &str, position: usize) -> Result<(), WordsError> {
    find(word).map(drop).ok_or_else(|| unknown(word, position))
}

/// The word of the list that is meant: itself, or the only one with these first four letters.
fn find(word: &str) -> Option<&'static str> {
    let lower = Zeroizing::new(word.to_ascii_lowercase());
    let list = Language::English.word_list();
    let at = list.partition_point(|other| *other < lower.as_str());
    let found = list.get(at).copied()?;
    (found == lower.as_str() || (lower.len() == 4 && found.starts_with(lower.as_str())))
        .then_some(found)
}

fn unknown(word: &str, position: usize) -> WordsError {
    WordsError::Unknown {
        position,
        word: word.to_owned(),
        nearest: nearest(&Zeroizing::new(word.to_ascii_lowercase())),
    }
}

/// Six words for 66 bits, the first bits of `bytes` first, eleven a word as in BIP39.
pub fn fingerprint(bytes: &[u8; FINGERPRINT_BYTES]) -> String {
    let list = Language::English.word_list();
    let bit = |at: usize| usize::from(bytes[at / 8] >> (7 - at % 8) & 1);
    let word = |word: usize| (0..11).fold(0, |number, at| number << 1 | bit(word * 11 + at));
    let words: Vec<&str> = (0..6).map(|at| list[word(at)]).collect();
    words.join(" ")
}

/// The list's word at the least edit distance; among equals the one that shares more first letters.
fn nearest(word: &str) -> &'static str {
    let shared = |other: &str| {
        word.bytes()
            .zip(other.bytes())
            .take_while(|(a, b)| a == b)
            .count()
    };
    // The list's words have at most eight letters; what lies beyond sixteen says nothing about which one was meant.
    let typed: Vec<u8> = word.bytes().take(16).collect();
    let words = Language::English.word_list().iter();
    words
        .min_by_key(|other| {
            (
                distance(&typed, other.as_bytes()),
                usize::MAX - shared(other),
            )
        })
        .expect("the list is not empty")
}

/// Letters to insert, remove, replace or swap with their neighbour to turn one word into the other.
fn distance(one: &[u8], other: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let mut best = (above[j] + usize::from(a != b))
                .min(above[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A secret whose words differ from their neighbours and whose every swap of neighbours fails the checksum.
    fn secret_with_telling_swaps() -> Secret<16> {
        (0_u64..)
            .map(|seed| {
                Secret::new(
                    blake3::hash(&seed.to_le_bytes()).as_bytes()[..16]
                        .try_into()
                        .unwrap(),
                )
            })
            .find(|secret| {
                let words = to_words(secret);
                (0..11).all(|at| {
                    let mut swapped = words;
                    swapped.swap(at, at + 1);
                    from_words(&swapped.join(" ")).is_err()
                })
            })
            .unwrap()
    }

    #[test]
    fn words_go_both_ways() {
        // BIP39's own vectors.
        let zeros = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";
        assert!(to_words(&Secret::new([0; 16])).join(" ") == zeros);
        assert!(
            to_words(&Secret::new([0x7f; 16])).join(" ")
                == "legal winner thank year wave sausage worth useful legal winner thank yellow"
        );
        for seed in 0..64_u8 {
            let secret = Secret::new([seed.wrapping_mul(37); 16]);
            let text = to_words(&secret).join(" \n ").to_uppercase();
            assert!(from_words(&text).is_ok_and(|back| back.ct_eq(secret.expose())));
        }
    }

    #[test]
    fn four_letters_are_enough_and_three_are_not() {
        let secret = secret_with_telling_swaps();
        let short = to_words(&secret).map(|word| &word[..word.len().min(4)]);
        let back = from_words(&short.join(" ")).unwrap();
        assert!(back.ct_eq(secret.expose()));
        for word in ["aban", "act", "acti", "ZOO", "yell"] {
            assert!(check_word(word, 1).is_ok(), "{word}");
        }
        for word in ["aba", "abando", "zo", "ac", "abanx", "zooz", ""] {
            assert!(check_word(word, 1).is_err(), "{word}");
        }
    }

    /// K5: each word mistyped, each pair of neighbours swapped, one missing, one too many.
    #[test]
    fn k5_each_mistake_has_its_message() {
        let secret = secret_with_telling_swaps();
        let words = to_words(&secret);
        for at in 0..WORDS {
            let mut typed = words.map(str::to_owned);
            typed[at].insert(2, 'q');
            let error = from_words(&typed.join(" ")).err();
            let Some(WordsError::Unknown {
                position,
                word,
                nearest,
            }) = error
            else {
                panic!("word {} was taken", at + 1);
            };
            assert_eq!(position, at + 1);
            assert!(word == typed[at] && nearest == words[at]);
            let shown = WordsError::Unknown {
                position,
                word,
                nearest,
            };
            assert_eq!(
                shown.to_string(),
                format!("recovery word {} is not in the word list", at + 1)
            );
            assert_eq!(format!("{shown:?}"), shown.to_string());
        }
        for at in 0..11 {
            let mut swapped = words;
            swapped.swap(at, at + 1);
            assert!(from_words(&swapped.join(" ")).err() == Some(WordsError::Checksum));
        }
        assert!(from_words(&words[1..].join(" ")).err() == Some(WordsError::Count(11)));
        assert!(from_words("").err() == Some(WordsError::Count(0)));
        assert!(
            from_words(&[&words[..], &words[..1]].concat().join(" ")).err()
                == Some(WordsError::Count(13))
        );
    }

    #[test]
    fn the_nearest_word_is_the_one_meant() {
        for (typed, meant) in [
            ("abandno", "abandon"),
            ("zooo", "zoo"),
            ("aboot", "about"),
            ("sausag", "sausage"),
        ] {
            let Err(WordsError::Unknown { nearest, .. }) = check_word(typed, 1) else {
                panic!("{typed} is no word");
            };
            assert_eq!(nearest, meant);
        }
        assert!(check_word("ZOO", 1).is_ok());
        assert!(check_word(&"\u{17f}".repeat(100_000), 1).is_err());
    }

    #[test]
    fn fingerprints_take_eleven_bits_a_word() {
        assert_eq!(
            fingerprint(&[0; 9]),
            "abandon abandon abandon abandon abandon abandon"
        );
        assert_eq!(fingerprint(&[0xff; 9]), "zoo zoo zoo zoo zoo zoo");
        let first = fingerprint(&[0, 0b0010_0000, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(first, "ability abandon abandon abandon abandon abandon");
        let last = fingerprint(&[0, 0, 0, 0, 0, 0, 0, 0, 0b0100_0000]);
        assert_eq!(last, "abandon abandon abandon abandon abandon ability");
    }
}
