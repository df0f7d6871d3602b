//! `verify` proves that everything is whole, or names what is not.

use crate::util::{TestEnv, contents};
use std::fs;

fn damage_a_data_pack(env: &TestEnv) {
    let packs = env.repository().join("packs");
    let (path, mut bytes) = contents(&packs)
        .into_iter()
        .max_by_key(|(_, bytes)| bytes.len())
        .unwrap();
    bytes[5000] ^= 1;
    fs::write(packs.join(path), bytes).unwrap();
}

fn world() -> TestEnv {
    let env = TestEnv::with_repository();
    let noise: Vec<u8> = (0..200_000_u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3])
        .collect();
    env.write("d/picture", &noise);
    env.run(["backup", "d", "--name", "d"]).expect(0);
    env
}

#[test]
fn a_whole_repository_is_said_to_be_whole() {
    let env = world();
    for level in ["structure", "stored", "content"] {
        let ran = env.run(["verify", "--level", level]).expect(0);
        assert!(
            ran.stdout.ends_with("verified: everything is whole\n"),
            "{ran}"
        );
    }
    let ran = env.run(["check", "--json"]).expect(0);
    assert_eq!(ran.field("summary", "snapshots"), "2");
    assert_eq!(ran.field("summary", "damaged"), "0");
    let ran = env.run(["verify", "--no-key"]).expect(0);
    assert!(
        ran.stdout.ends_with("every object matches its name\n"),
        "{ran}"
    );
}

#[test]
fn damage_is_named_with_the_files_it_concerns() {
    let env = world();
    damage_a_data_pack(&env);
    let ran = env.run(["verify"]).expect(5);
    assert!(ran.err().contains("! pack ID"), "{ran}");
    assert!(
        ran.out().contains("lost: d  ") && ran.out().contains("d/picture"),
        "{ran}"
    );
    assert!(
        ran.stdout
            .contains("DAMAGED: 1 object damaged, 1 file lost"),
        "{ran}"
    );
    let ran = env.run(["verify", "--json"]).expect(5);
    assert_eq!(ran.field("exit", "kind"), "\"damaged\"");
    assert!(ran.field("damage", "object").contains("packs/"), "{ran}");
    assert!(ran.field("loss", "path").contains("d/picture"), "{ran}");
    let ran = env.run(["verify", "--no-key"]).expect(5);
    assert!(ran.stdout.contains("DAMAGED: 1 object damaged"), "{ran}");
}
