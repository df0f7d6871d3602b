//! The rules of `key_slot`, one test each.

#![expect(
    clippy::indexing_slicing,
    reason = "a panic in a test is a failed test"
)]

use super::*;
use proptest::prelude::{any, proptest};

const REPO: RepoId = RepoId::new([7; 16]);

fn root() -> RootKey {
    RootKey::from_bytes([3; 32])
}

fn seal(secret: &SlotSecret, label: &str) -> KeySlot {
    let cost = Argon2Cost {
        memory_kib: 64 << 10,
        passes: 1,
        lanes: 1,
    };
    KeySlot::seal(secret, cost, &root(), REPO, [1; 32], 1_795_305_600, label).unwrap()
}

fn text(text: &str) -> SlotSecret {
    SlotSecret::Passphrase(SecretText::new(text.to_owned()))
}

fn opens(slot: &KeySlot, secret: &SlotSecret) -> bool {
    let opened = slot.open(secret).unwrap();
    opened.is_some_and(|opened| opened.expose() == root().expose())
}

#[test]
fn each_kind_opens_with_its_secret_alone() {
    let secrets = [
        text("correct horse"),
        SlotSecret::KeyFile(Secret::new([4; 32])),
        SlotSecret::Words(Secret::new([4; 16])),
    ];
    let wrong = [
        text("correct hors"),
        SlotSecret::KeyFile(Secret::new([5; 32])),
        SlotSecret::Words(Secret::new([5; 16])),
    ];
    for (at, secret) in secrets.iter().enumerate() {
        let slot = seal(secret, "kitchen laptop");
        let slot = KeySlot::from_object(&slot.to_object()).unwrap();
        assert_eq!((slot.kind(), slot.repo()), (secret.kind(), REPO));
        assert!(opens(&slot, secret));
        for other in wrong.iter().chain(&secrets[..at]).chain(&secrets[at + 1..]) {
            assert!(slot.open(other).unwrap().is_none());
        }
        let note = slot.note(&root());
        assert_eq!(note, Some((1_795_305_600, "kitchen laptop".to_owned())));
        assert_eq!(slot.note(&RootKey::from_bytes([9; 32])), None);
    }
}

/// A10, K3: no byte can be changed so that the slot still opens; a changed header is damage, never a wrong secret.
#[test]
fn k3_a_changed_slot_never_opens() {
    let secret = SlotSecret::Words(Secret::new([4; 16]));
    let slot = seal(&secret, "");
    for at in 0..SLOT_BYTES {
        let mut bytes = *slot.as_bytes();
        bytes[at] ^= 1;
        if let Ok(slot) = KeySlot::parse(&bytes) {
            let opened = slot.open(&secret);
            let wrapped = (WRAPPED..NOTE).contains(&at);
            assert_eq!(opened.is_err(), wrapped, "byte {at}");
            assert!(!matches!(opened, Ok(Some(_))), "byte {at}");
        }
        let mut object = slot.to_object();
        object[128 + at] ^= 1;
        assert_eq!(
            KeySlot::from_object(&object).unwrap_err().kind(),
            Kind::Damaged
        );
    }
}

/// K2, K4: what a slot may not ask for, and what may not be in it.
#[test]
fn k4_bombs_and_weak_slots_are_refused() {
    let slot = seal(&text("x"), "");
    let with = |at: usize, part: &[u8]| {
        let mut bytes = *slot.as_bytes();
        bytes[at..at + part.len()].copy_from_slice(part);
        KeySlot::parse(&bytes)
    };
    let began = std::time::Instant::now();
    let bomb = with(8, &[0xff; 12]).unwrap();
    assert_eq!(bomb.open(&text("x")).unwrap_err().kind(), Kind::Refused);
    assert_eq!(
        with(8, &[0; 12])
            .unwrap()
            .open(&text("x"))
            .unwrap_err()
            .kind(),
        Kind::Refused
    );
    assert!(began.elapsed().as_millis() < 10);
    let kind = |result: Result<KeySlot>| result.unwrap_err().kind();
    assert_eq!(kind(with(SALT, &[0; 32])), Kind::Damaged);
    assert_eq!(
        kind(with(4, &[2])),
        Kind::Damaged,
        "a key file slot has no cost"
    );
    assert_eq!(kind(with(4, &[0])), Kind::Damaged);
    assert_eq!(kind(with(5, &[1])), Kind::Damaged);
    assert_eq!(kind(with(4, &[4])), Kind::TooNew);
    assert_eq!(kind(with(20, &[1])), Kind::TooNew);
    assert_eq!(kind(with(255, &[1])), Kind::Damaged);
    assert_eq!(kind(KeySlot::parse(&[0; 256])), Kind::Damaged);
    let cheap = Argon2Cost {
        memory_kib: (64 << 10) - 1,
        ..Argon2Cost::default()
    };
    let sealed =
        |cost, label: &str| KeySlot::seal(&text("x"), cost, &root(), REPO, [1; 32], 0, label);
    assert_eq!(kind(sealed(cheap, "")), Kind::Refused);
    assert_eq!(
        kind(sealed(Argon2Cost::default(), &"x".repeat(41))),
        Kind::Usage
    );
}

/// N2 for slots: a constant random source does not repeat a salt.
#[test]
fn n2_slots_of_one_root_differ_in_salt() {
    let one = seal(&SlotSecret::Words(Secret::new([4; 16])), "one");
    let two = seal(&SlotSecret::Words(Secret::new([4; 16])), "two");
    let three = seal(&SlotSecret::KeyFile(Secret::new([4; 32])), "one");
    assert!(one.salt() != two.salt() && one.salt() != three.salt());
}

#[test]
fn key_files_go_both_ways() {
    let secret = Secret::new([0xa5; 32]);
    let line = write_key_file(&secret);
    assert_eq!(line, format!("heirloom-key-1:{}\n", "a5".repeat(32)));
    assert!(read_key_file(&line).unwrap().ct_eq(secret.expose()));
    assert!(
        read_key_file(line.trim_end())
            .unwrap()
            .ct_eq(secret.expose())
    );
    let kind = |text: &str| read_key_file(text).unwrap_err().kind();
    assert_eq!(kind(&line.replace("-1:", "-2:")), Kind::TooNew);
    for wrong in [
        "",
        "heirloom-key-1:",
        &line.replace("-1:", "-:"),
        &line.replace("a5", "A5"),
        &format!("{line}x"),
    ] {
        assert_eq!(kind(wrong), Kind::Usage);
    }
}

proptest! {
    #[test]
    fn any_bytes_get_an_answer(mut bytes in proptest::collection::vec(any::<u8>(), 0..600), marked in any::<bool>()) {
        if marked && bytes.len() >= 256 {
            bytes.truncate(256);
            bytes[..8].copy_from_slice(b"HLS1\x03\0\0\0");
            bytes[8..24].fill(0);
            bytes[216..].fill(0);
        }
        if let Ok(slot) = KeySlot::parse(&bytes) {
            assert!(slot.open(&SlotSecret::Words(Secret::new([4; 16]))).unwrap().is_none());
            assert_eq!(slot.note(&root()), None);
        }
        drop(read_key_file(&String::from_utf8_lossy(&bytes)));
    }
}

#[test]
fn the_object_of_a_slot_has_nothing_else_in_it() {
    let cost = Argon2Cost::default();
    let secret = SlotSecret::KeyFile(Secret::new([5; 32]));
    let root = RootKey::from_bytes([1; 32]);
    let slot = KeySlot::seal(&secret, cost, &root, RepoId::new([2; 16]), [6; 32], 7, "").unwrap();
    let good = slot.to_object();
    assert_eq!(KeySlot::from_object(&good).unwrap(), slot);
    for at in [48, 79, 80, 111, 112, 384] {
        let mut bytes = good.clone();
        bytes[at] = 1;
        crate::format::header::set_checksum(bytes.first_chunk_mut().unwrap());
        let error = KeySlot::from_object(&bytes).unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged, "{at}");
    }
}
