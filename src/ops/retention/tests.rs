//! Rules, one by one and in any mixture.

use super::*;
use crate::format::chain::What;
use crate::format::snapshot::Snapshot;
use crate::host::Timestamp;
use crate::units::days_of_date;
use proptest::prelude::*;

const DAY: i64 = 86_400;

/// Noon of the 22nd of November 2026.
fn now() -> i64 {
    days_of_date(2026, 11, 22) * DAY + DAY / 2
}

fn id(number: u64) -> Id {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Id::new(bytes)
}

fn one(number: u64, seconds: i64) -> Candidate {
    Candidate {
        id: id(number),
        device: [1; 16],
        source: "photos".to_owned(),
        seq: number,
        seconds,
        zone: 0,
        tags: Vec::new(),
        pinned: false,
        standing: Standing::Good,
    }
}

/// One a day at noon, the newest today; number 0 is the oldest.
fn daily(count: u64) -> Vec<Candidate> {
    let day = |number| {
        one(
            number,
            now() - i64::try_from(count - 1 - number).unwrap() * DAY,
        )
    };
    (0..count).map(day).collect()
}

fn counts(counts: &[(Period, u32)]) -> Rules {
    Rules {
        counts: counts.iter().copied().collect(),
        ..Rules::default()
    }
}

fn kept(all: &[Candidate], rules: &Rules, min_good: u32) -> Vec<u64> {
    let decided = decide(all, rules, min_good);
    let kept = all
        .iter()
        .filter(|one| matches!(decided[&one.id], Decision::Keep(_)));
    kept.map(|one| one.seq).collect()
}

#[test]
fn the_newest_of_each_period_stays() {
    let all = daily(800);
    assert_eq!(kept(&all, &counts(&[(Period::Last, 2)]), 0), [798, 799]);
    assert_eq!(kept(&all, &counts(&[(Period::Daily, 2)]), 0), [798, 799]);
    // The 22nd of November 2026 is a Sunday, and so are the 15th and the 8th.
    assert_eq!(
        kept(&all, &counts(&[(Period::Weekly, 3)]), 0),
        [785, 792, 799]
    );
    assert_eq!(kept(&all, &counts(&[(Period::Monthly, 2)]), 0), [777, 799]);
    // While there are not yet enough, the oldest of all stays too.
    assert_eq!(
        kept(&all, &counts(&[(Period::Yearly, 10)]), 0),
        [0, 108, 473, 799]
    );
}

#[test]
fn everything_within_a_span_stays() {
    let all = daily(100);
    let within = |period, text| Rules {
        within: BTreeMap::from([(period, Span::parse(text).unwrap())]),
        ..Rules::default()
    };
    assert_eq!(kept(&all, &within(Period::Last, "36h"), 0), [98, 99]);
    assert_eq!(kept(&all, &within(Period::Last, "1m"), 0).len(), 31);
    assert_eq!(kept(&all, &within(Period::Weekly, "2w"), 0), [92, 99]);
    let mut tagged = all.clone();
    tagged[3].tags = vec!["a".to_owned(), "b".to_owned()];
    tagged[4].tags = vec!["a".to_owned()];
    let tags = Rules {
        tags: vec![vec!["a".to_owned(), "b".to_owned()]],
        ..Rules::default()
    };
    assert_eq!(kept(&tagged, &tags, 1), [3, 99]);
}

#[test]
fn a_day_is_a_day_where_the_snapshot_was_made() {
    // An hour before and an hour after midnight in UTC: one day in New York, two in London.
    let midnight = days_of_date(2026, 11, 22) * DAY;
    let mut all = vec![one(0, midnight - 3600), one(1, midnight + 3600)];
    let rules = counts(&[(Period::Daily, 2)]);
    let reasons = |all: &[Candidate]| match &decide(all, &rules, 0)[&id(0)] {
        Decision::Keep(reasons) => reasons[0].to_string(),
        Decision::Forget(why) => why.to_string(),
    };
    assert_eq!(reasons(&all), "daily 2 of 2");
    for one in &mut all {
        one.zone = -300;
    }
    assert_eq!(reasons(&all), "daily 2 of 2 (oldest)");
}

#[test]
fn spans_are_as_people_type_them() {
    for (text, shown) in [
        ("2y", "2y"),
        ("18m", "1y6m"),
        ("1y5m7d2h", "1y5m7d2h"),
        ("2w", "14d"),
    ] {
        assert_eq!(Span::parse(text).unwrap().to_string(), shown);
    }
    for wrong in [
        "",
        "5",
        "d",
        "1x",
        "1d2",
        "-1d",
        "1.5d",
        "99999999999999999999y",
        "1é",
    ] {
        assert_eq!(Span::parse(wrong), None, "{wrong}");
    }
    let end_of_march = days_of_date(2024, 3, 31) * DAY;
    let month = Span::parse("1m").unwrap();
    assert_eq!(
        month.before(end_of_march, 0),
        days_of_date(2024, 2, 29) * DAY
    );
}

#[test]
fn reasons_are_told() {
    let all = daily(40);
    let rules = counts(&[(Period::Daily, 3), (Period::Monthly, 2)]);
    let decided = decide(&all, &rules, 5);
    let why = |number| match &decided[&id(number)] {
        Decision::Keep(reasons) => reasons
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", "),
        Decision::Forget(why) => format!("forget: {why}"),
    };
    assert_eq!(why(39), "daily 1 of 3, monthly 1 of 2");
    assert_eq!(why(36), "one of the 5 newest good ones");
    assert_eq!(why(30), "forget: a newer one of its month is kept");
    assert_eq!(why(17), "monthly 2 of 2");
    assert_eq!(why(0), "forget: a newer one of its month is kept");
}

#[test]
fn r8_what_is_suspect_or_misdated_fills_nothing_and_stays() {
    let mut all = daily(10);
    for at in [2, 8, 9] {
        all[at].standing = Standing::Suspect;
    }
    all[5].standing = Standing::WrongTime;
    all[0].pinned = true;
    assert_eq!(
        kept(&all, &counts(&[(Period::Last, 1)]), 2),
        [0, 2, 5, 6, 7, 8, 9]
    );
}

/// Snapshots of one device, one entry each: source and seconds.
fn chain(chains: &mut Chains, device: u8, snapshots: &[(&str, i64)]) {
    for (seq, (source, seconds)) in snapshots.iter().enumerate() {
        let seq = seq as u64;
        let number = |seq| id(u64::from(device) << 32 | seq);
        let snapshot = Snapshot {
            source: (*source).to_owned(),
            ..Snapshot::default()
        };
        let entry = Entry {
            repo: [0; 16],
            device: [device; 16],
            seq,
            prev: seq.checked_sub(1).map(number),
            heads: Vec::new(),
            acked: Vec::new(),
            time: Timestamp {
                seconds: *seconds,
                nanos: 0,
            },
            zone: 0,
            host: String::new(),
            user: String::new(),
            program: String::new(),
            what: What::Snapshot(Box::new(snapshot)),
            unknown: 0,
        };
        chains.committed([(number(seq), entry)]);
    }
}

fn daily_before(count: i64) -> Vec<(&'static str, i64)> {
    (0..count)
        .rev()
        .map(|day| ("photos", now() - day * DAY))
        .collect()
}

/// Which snapshots of device 1 stay.
fn left(chains: &Chains, rules: &Rules) -> Vec<Id> {
    let all = Candidate::all(chains, now());
    let decided = decide(&all, rules, 3).into_iter();
    let kept = decided.filter(|(_, decision)| matches!(decision, Decision::Keep(_)));
    let kept = kept.map(|(id, _)| id);
    kept.filter(|id| all.iter().any(|one| one.id == *id && one.device == [1; 16]))
        .collect()
}

/// O3. The script of restic #22057: whoever can write adds snapshots dated into the future, one for each day, week, month
/// and year that the rules keep, and waits for the owner's own forget to throw away the good ones.
#[test]
fn o3_snapshots_from_the_future_push_out_nothing() {
    let rules = counts(&[
        (Period::Last, 2),
        (Period::Daily, 7),
        (Period::Weekly, 4),
        (Period::Monthly, 6),
        (Period::Yearly, 2),
    ]);
    let mut chains = Chains::default();
    chain(&mut chains, 1, &daily_before(60));
    let before = left(&chains, &rules);
    let mut planted = Vec::new();
    for step in [DAY, 7 * DAY, 31 * DAY, 366 * DAY] {
        planted.extend((1..20).map(|n| ("photos", now() + DAY + 1 + n * step)));
    }
    // By another device under the same name.
    chain(&mut chains, 2, &planted);
    assert_eq!(left(&chains, &rules), before);
    // By the device itself: none of them counts, none goes, and what is honest counts as it did.
    let mut chains = Chains::default();
    let mut all = daily_before(60);
    all.extend(&planted);
    chain(&mut chains, 1, &all);
    assert_eq!(left(&chains, &rules).len(), before.len() + planted.len());
    // A snapshot made after them is dated rightly, and counts.
    all.push(("photos", now() + 60));
    let mut chains = Chains::default();
    chain(&mut chains, 1, &all);
    let candidates = Candidate::all(&chains, now());
    let newest = candidates.iter().find(|one| one.seconds == now() + 60);
    assert_eq!(newest.unwrap().standing, Standing::Good);
    // One that is dated back is not believed, and the one after it is.
    let back = [
        ("photos", now()),
        ("photos", now() - 400 * DAY),
        ("photos", now() + 5),
    ];
    let mut chains = Chains::default();
    chain(&mut chains, 1, &back);
    let standings: Vec<_> = Candidate::all(&chains, now())
        .into_iter()
        .map(|one| (one.seq, one.standing))
        .collect();
    assert_eq!(
        standings,
        [
            (0, Standing::Good),
            (1, Standing::WrongTime),
            (2, Standing::Good)
        ]
    );
}

/// O4. Two hundred junk snapshots in an hour, of another source or by another device.
#[test]
fn o4_junk_snapshots_push_out_nothing_of_another_source() {
    let rules = counts(&[(Period::Last, 5), (Period::Hourly, 5), (Period::Daily, 14)]);
    let mut chains = Chains::default();
    chain(&mut chains, 1, &daily_before(40));
    let before = left(&chains, &rules);
    let junk: Vec<_> = (0..200)
        .map(|n| ("photos", now() - 3600 + n * 18))
        .collect();
    chain(&mut chains, 2, &junk);
    assert_eq!(left(&chains, &rules), before);
    let mut chains = Chains::default();
    let mut both = daily_before(40);
    both.extend((0..200).map(|n| ("junk", now() + n * 18)));
    chain(&mut chains, 1, &both);
    let photos = left(&chains, &rules);
    assert!(before.iter().all(|id| photos.contains(id)));
}

fn any_candidates() -> impl Strategy<Value = Vec<Candidate>> {
    let fields = (
        0..900 * 24_i64,
        0..3_u8,
        0..2_u8,
        prop::bool::weighted(0.05),
        0..12_u8,
        -600..600_i32,
    );
    prop::collection::vec(fields, 0..120).prop_map(|all| {
        let candidate = |(number, (hours, device, source, pinned, standing, zone))| Candidate {
            device: [device; 16],
            source: u8::to_string(&source),
            pinned,
            zone,
            standing: match standing {
                0 => Standing::Suspect,
                1 => Standing::WrongTime,
                _ => Standing::Good,
            },
            ..one(number, now() - hours * 3600)
        };
        (0..).zip(all).map(candidate).collect()
    })
}

fn any_rules() -> impl Strategy<Value = Rules> {
    let count = prop::option::of(1..8_u32);
    (prop::collection::vec(count, 6), 0..5_u32, 0..6_usize).prop_map(|(counts, within, period)| {
        let counts = Period::ALL.into_iter().zip(counts);
        let span = Span::parse(&format!("{}d", within * 20)).unwrap_or_default();
        Rules {
            counts: counts
                .filter_map(|(period, count)| Some((period, count?)))
                .collect(),
            within: (within > 0)
                .then_some((Period::ALL[period], span))
                .into_iter()
                .collect(),
            tags: Vec::new(),
        }
    })
}

proptest! {
    #[test]
    fn nothing_that_is_not_good_goes_and_the_newest_stay(
        all in any_candidates(), rules in any_rules(), min_good in 0..5_u32,
    ) {
        let decided = decide(&all, &rules, min_good);
        prop_assert_eq!(decided.len(), all.len());
        let goes = |one: &Candidate| matches!(decided[&one.id], Decision::Forget(_));
        for one in &all {
            prop_assert!(!goes(one) || one.standing == Standing::Good && !one.pinned);
        }
        for group in good(&all) {
            prop_assert!(!group.iter().take(min_good as usize).any(|one| goes(one)));
            if !rules.is_empty() {
                prop_assert!(group.first().is_none_or(|newest| !goes(newest)));
            }
        }
        // Each good one that stays by a count has its period to itself, but for the oldest.
        for (_, decision) in decided {
            if let Decision::Keep(reasons) = decision {
                for reason in reasons {
                    if let Reason::Count { nth, of, .. } = reason {
                        prop_assert!(nth >= 1 && nth <= of);
                    }
                }
            }
        }
    }

    /// What is decided on one source of one device does not change with what there is of others.
    #[test]
    fn others_change_nothing(all in any_candidates(), rules in any_rules()) {
        let whole = decide(&all, &rules, 3);
        let own = |one: &&Candidate| one.device == [0; 16] && one.source == "0";
        let own: Vec<_> = all.iter().filter(own).cloned().collect();
        for (id, decision) in decide(&own, &rules, 3) {
            prop_assert_eq!(&whole[&id], &decision);
        }
    }

    /// Whoever forgets again at once forgets nothing.
    #[test]
    fn twice_is_as_once(all in any_candidates(), rules in any_rules()) {
        let decided = decide(&all, &rules, 3);
        let stays = |one: &&Candidate| matches!(decided[&one.id], Decision::Keep(_));
        let rest: Vec<_> = all.iter().filter(stays).cloned().collect();
        let again = decide(&rest, &rules, 3);
        prop_assert!(again.values().all(|decision| matches!(decision, Decision::Keep(_))));
    }

    /// No snapshot can be taken in by adding one that does not count.
    #[test]
    fn what_is_not_good_changes_nothing(all in any_candidates(), rules in any_rules()) {
        let whole = decide(&all, &rules, 3);
        let good: Vec<_> = all.iter().filter(|one| one.standing == Standing::Good).cloned().collect();
        for (id, decision) in decide(&good, &rules, 3) {
            prop_assert_eq!(&whole[&id], &decision);
        }
    }
}
