//! What a real bucket is asked by the real program. At 50 ms each it is what a person waits for, and some cost money.

use crate::proxy::Proxy;
use crate::servers::unique;
use crate::util::TestEnv;
use crate::world::noise;
use std::fs;

/// Requests that a run may make, beside one listing page for every thousand packs.
const ALLOWED: usize = 16;

/// What was asked, without the names of objects.
fn told(asked: &[String]) -> String {
    asked.join("\n")
}

fn is_page_of_packs(asked: &str) -> bool {
    asked.starts_with("GET ") && asked.contains("prefix=") && asked.contains("packs%2F")
}

/// What a machine reads once and keeps: where blobs lie, and two small objects for each snapshot.
fn is_kept(asked: &str) -> bool {
    let kept = ["/index/", "/commits/", "/entries/"];
    asked.starts_with("GET ") && kept.iter().any(|folder| asked.contains(folder))
}

#[test]
#[ignore = "skipped: needs a real server, see tests/servers.sh"]
fn an_unchanged_run_and_a_restore_on_a_bare_machine_ask_a_bucket_little() {
    let mut env = TestEnv::new();
    env.set("AWS_ACCESS_KEY_ID", "ciaccess");
    env.set("AWS_SECRET_ACCESS_KEY", "cisecretcisecret");
    env.write("source/letters.txt", "dear all\n".repeat(900).as_bytes());
    env.write("source/folder/picture", &noise(1, 900_000));
    let first = env.text("first");
    let run = |arguments: &[&str]| env.run(arguments.iter().copied()).expect(0);
    run(&["-r", &first, "backup", "--init", "source"]);
    // Three ways in, as a person has who types, a machine that does not, and the kit.
    let key = env.text("more.key");
    run(&["-r", &first, "key", "add", "--new-key-file", &key]);
    let proxy = Proxy::http(28333);
    let s3 = format!(
        "s3://plain/requests-{}?endpoint=http://127.0.0.1:{}",
        unique(),
        proxy.port()
    );
    run(&["-r", &first, "mirror", "add", "s3", &s3]);
    run(&["backup", "source"]);
    run(&["backup", "source"]);

    // Beside a folder, which answers what there is.
    proxy.asked();
    let unchanged = run(&["backup", "source"]);
    let asked = proxy.asked();
    let pages = asked.iter().filter(|asked| is_page_of_packs(asked)).count();
    assert_eq!(pages, 1, "{}", told(&asked));
    assert!(
        asked.len() - pages <= ALLOWED,
        "{}: {}\n{unchanged}",
        asked.len(),
        told(&asked)
    );

    // Alone.
    run(&["-r", &s3, "backup", "source"]);
    proxy.asked();
    run(&["-r", &s3, "backup", "source"]);
    let asked = proxy.asked();
    let pages = asked.iter().filter(|asked| is_page_of_packs(asked)).count();
    assert!(
        asked.len() - pages <= ALLOWED,
        "{}: {}",
        asked.len(),
        told(&asked)
    );

    // On a machine that has the key and nothing else.
    fs::remove_dir_all(env.path(".cache/heirloom")).unwrap();
    fs::remove_dir_all(env.path(".local/state/heirloom")).unwrap();
    proxy.asked();
    let wanted = format!("latest:{}", env.text("source/letters.txt"));
    run(&["-r", &s3, "restore", &wanted, "-t", "back"]);
    let asked = proxy.asked();
    let kept = asked.iter().filter(|asked| is_kept(asked)).count();
    let pages = asked.iter().filter(|asked| is_page_of_packs(asked)).count();
    assert!(
        asked.len() - kept - pages <= ALLOWED,
        "{}: {}",
        asked.len(),
        told(&asked)
    );
    let read = |path: &str| fs::read(env.path(path)).unwrap();
    assert_eq!(read("source/letters.txt"), read("back/letters.txt"));
}
