//! `snapshots` lists what can be had.

use crate::util::TestEnv;

#[test]
fn snapshots_are_listed_oldest_first() {
    let env = TestEnv::with_repository();
    env.write("d/file", b"content");
    env.run([
        "backup", "d", "--name", "second", "--tag", "a", "--tag", "b",
    ])
    .expect(0);
    let all = env.run(["snapshots"]).expect(0).out();
    let lines: Vec<_> = all.lines().collect();
    assert!(
        lines[0].starts_with("ID  DATE  ") && lines[0].ends_with("  first   1 file  6 B"),
        "{all}"
    );
    assert!(
        lines[1].starts_with("ID  DATE  ") && lines[1].ends_with("  second  1 file  7 B  a,b"),
        "{all}"
    );
}

#[test]
fn filters_narrow_the_list() {
    let env = TestEnv::with_repository();
    env.write("d/file", b"content");
    env.run([
        "backup", "d", "--name", "second", "--tag", "a", "--tag", "b",
    ])
    .expect(0);
    let count = |arguments: &[&str]| {
        let all = ["snapshots", "--json"].iter().chain(arguments).copied();
        let events = env.run(all).expect(0).events();
        events
            .iter()
            .filter(|event| event["event"] == "snapshot")
            .count()
    };
    assert_eq!(count(&[]), 2);
    assert_eq!(count(&["-s", "first"]), 1);
    assert_eq!(count(&["--tag", "a", "--tag", "b"]), 1);
    assert_eq!(count(&["--tag", "c"]), 0);
    assert_eq!(count(&["--path", &env.text("d")]), 1);
    assert_eq!(count(&["--device", "elsewhere"]), 0);
}

#[test]
fn events_begin_and_end() {
    let env = TestEnv::with_repository();
    let events = env.run(["snapshots", "--json"]).expect(0).events();
    let (first, last) = (events.first().unwrap(), events.last().unwrap());
    assert_eq!(first["event"], "begin");
    assert_eq!(first["schema"], 1);
    assert_eq!(first["command"], "snapshots");
    assert_eq!(first["repository"].as_str().unwrap().len(), 32);
    assert_eq!(last["event"], "exit");
    assert_eq!(last["code"], 0);
    assert_eq!(events[1]["id"].as_str().unwrap().len(), 64);
    assert_eq!(events[1]["user"], "tester");
    let nowhere = env.run(["snapshots", "--json", "-r", "nowhere"]).expect(10);
    let events = nowhere.events();
    assert_eq!(events[0]["event"], "begin");
    assert_eq!(events[1]["kind"], "no-repository");
    let usage = env
        .run(["snapshots", "--json", "--nothing"])
        .expect(2)
        .events();
    assert_eq!(
        (usage[0]["event"].as_str(), usage[1]["code"].as_u64()),
        (Some("begin"), Some(2))
    );
}
