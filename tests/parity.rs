//! E1 to E8: what the parity of an object brings back, and that it never gives back anything else.

use heirloom::crypto::hash;
use heirloom::error::Kind;
use heirloom::format::parity::{self, Repair, Shape};
use heirloom::id::{Id, to_hex};
use heirloom::limits::{MIB, PACK_BYTES_MAX, PAGE, PARITY_BYTES_MAX};
use std::ops::Range;

const VECTORS: &str = include_str!("data/parity.txt");

/// Numbers that look like chance and are the same for ever: PCG's multiplier, high bits used.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.below(256).to_le_bytes()[0]).collect()
    }

    /// So many different numbers.
    fn some(&mut self, count: usize, end: usize) -> Vec<usize> {
        let mut all: Vec<_> = (0..end).collect();
        (0..count)
            .map(|_| all.swap_remove(self.below(all.len())))
            .collect()
    }
}

struct Case {
    object: Vec<u8>,
    parity: Vec<u8>,
    id: Id,
    shape: Shape,
}

impl Case {
    fn new(pages: usize, percent: u8) -> Self {
        let object = Chance(pages as u64).bytes(pages * PAGE);
        let id = hash::object_id(&object);
        let parity = parity::encode(&object, &id, percent).unwrap();
        let shape = parity::check(&parity, &id).unwrap();
        assert_eq!(Shape::of(object.len() as u64, percent), Some(shape));
        assert_eq!(parity.len() as u64, shape.file_len());
        Self {
            object,
            parity,
            id,
            shape,
        }
    }

    /// 64 pages of which any 7 may be bad.
    fn small() -> Self {
        let case = Self::new(64, 10);
        assert_eq!((case.shape.object, case.shape.parity), (64, 7));
        case
    }

    fn most(&self) -> usize {
        self.shape.parity as usize
    }

    fn with_bad(&self, pages: impl IntoIterator<Item = usize>) -> Vec<u8> {
        let mut object = self.object.clone();
        for page in pages {
            spoil(&mut object, page);
        }
        object
    }

    /// Where its parity shards stand in the parity object.
    fn shards(&self) -> Range<usize> {
        let first = self.parity.len() / PAGE / 2 - self.most() / 2;
        let first = first.min((self.parity.len() / PAGE - self.most()) / 2);
        first..first + self.most()
    }

    #[track_caller]
    fn mends(&self, object: &[u8], parity: &[u8]) {
        let mended = parity::repair(object, parity, &self.id).unwrap();
        assert!(mended == self.object, "mended to something else");
    }

    #[track_caller]
    fn refuses(&self, object: &[u8], parity: &[u8]) -> String {
        let error = parity::repair(object, parity, &self.id).unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged);
        error.chain()
    }
}

/// One bit of a sector is enough for it to be bad.
fn spoil(bytes: &mut [u8], page: usize) {
    bytes[page * PAGE + page % PAGE] ^= 0x10;
}

#[test]
fn e1_as_many_bad_sectors_as_parity_shards_come_back() {
    let (case, mut chance) = (Case::small(), Chance(1));
    for count in 0..=case.most() {
        for _ in 0..5 {
            let bad = chance.some(count, 64);
            case.mends(&case.with_bad(bad), &case.parity);
        }
    }
    let bad = chance.some(case.most() + 1, 64);
    let told = case.refuses(&case.with_bad(bad), &case.parity);
    assert!(
        told.ends_with("8 of its 64 pages are damaged, and its parity brings back 7"),
        "{told}"
    );
    // The smallest entry comes back from its parity alone.
    let case = Case::new(2, 5);
    assert!(case.shape.is_enough_alone());
    case.mends(&[], &case.parity);
}

#[test]
fn e2_a_burst_comes_back_wherever_it_is() {
    let case = Case::small();
    for first in 0..=64 - case.most() {
        let burst = first..first + case.most();
        case.mends(&case.with_bad(burst), &case.parity);
    }
    case.refuses(&case.with_bad(0..case.most() + 1), &case.parity);
}

#[test]
fn e3_either_header_and_either_table_will_do() {
    let case = Case::small();
    let bad = case.with_bad(3..3 + case.most());
    let last = case.parity.len() / PAGE - 1;
    let (headers, tables) = ([0, last], [1, last - 1]);
    for harm in [
        vec![headers[0]],
        vec![headers[1]],
        vec![tables[0]],
        vec![tables[1]],
        vec![headers[0], tables[0]],
        vec![headers[0], tables[1]],
    ] {
        let mut parity = case.parity.clone();
        harm.iter().for_each(|page| spoil(&mut parity, *page));
        parity::check(&parity, &case.id).unwrap_err();
        case.mends(&bad, &parity);
    }
    let mut parity = case.parity.clone();
    headers.iter().for_each(|page| spoil(&mut parity, *page));
    case.refuses(&bad, &parity);
    // A bit of each table costs what these bits stood for.
    let mut parity = case.parity.clone();
    parity[tables[0] * PAGE] ^= 1;
    parity[tables[1] * PAGE] ^= 1;
    case.mends(&case.with_bad(3..2 + case.most()), &parity);
    case.refuses(&bad, &parity);
    // Without any table nothing is known of any shard.
    for table in tables {
        parity[table * PAGE..(table + 1) * PAGE].fill(0);
    }
    case.refuses(&case.with_bad([3]), &parity);
}

#[test]
fn e4_damage_to_object_and_parity_is_counted_together() {
    let (case, mut chance) = (Case::small(), Chance(4));
    for of_parity in 0..=case.most() {
        let mut parity = case.parity.clone();
        for shard in chance.some(of_parity, case.most()) {
            spoil(&mut parity, case.shards().start + shard);
        }
        let left = case.most() - of_parity;
        case.mends(&case.with_bad(chance.some(left, 64)), &parity);
        case.refuses(&case.with_bad(chance.some(left + 1, 64)), &parity);
    }
}

/// Whoever writes both table and shards can make bad ones look right. The name stays.
#[test]
fn e5_what_keeps_its_checks_and_is_not_the_object_is_refused() {
    let case = Case::small();
    let mut bad = case.with_bad([5]);
    let check = hash::object_id(&bad[5 * PAGE..6 * PAGE]);
    let mut parity = case.parity.clone();
    let last = parity.len() / PAGE - 1;
    for table in [1, last - 1] {
        let at = table * PAGE + 5 * 8;
        parity[at..at + 8].copy_from_slice(&check.as_bytes()[..8]);
    }
    let told = case.refuses(&bad, &parity);
    assert!(told.ends_with("does not match the name"), "{told}");
    spoil(&mut bad, 9);
    case.refuses(&bad, &parity);
    // A whole parity object that was made of the damaged bytes belongs to those.
    let wrong = parity::encode(&bad, &hash::object_id(&bad), 10).unwrap();
    assert!(
        case.refuses(&bad, &wrong)
            .ends_with("belongs to another object")
    );
    assert_eq!(
        parity::check(&wrong, &case.id).unwrap_err().kind(),
        Kind::Damaged
    );
}

#[test]
fn e6_a_cut_is_a_loss_like_any_other() {
    let case = Case::small();
    let most = case.most() * PAGE;
    for cut in [1, PAGE - 1, PAGE, PAGE + 1, most - 1, most] {
        case.mends(&case.object[..case.object.len() - cut], &case.parity);
        let longer = [&case.object[..], &vec![7; cut]].concat();
        case.mends(&longer, &case.parity);
    }
    case.refuses(&case.object[..case.object.len() - most - 1], &case.parity);
    // Its head is gone, and all that is left has moved.
    case.mends(&case.object[most..], &case.parity);
    for pages in 0..case.parity.len() / PAGE {
        let parity = &case.parity[..pages * PAGE + 100];
        let kept = parity.len() / PAGE;
        let shards = case.shards();
        let kept = kept.clamp(shards.start, shards.end) - shards.start;
        parity::check(parity, &case.id).unwrap_err();
        let has_table = pages >= shards.start;
        if has_table {
            case.mends(&case.with_bad(0..kept), parity);
        }
        if has_table || pages == 0 {
            case.refuses(&case.with_bad(0..kept + 1), parity);
        }
    }
    case.refuses(&case.with_bad([1]), &case.parity[..PAGE]);
}

#[test]
fn e7_zeros_of_the_right_size_are_losses() {
    let case = Case::small();
    let mut object = case.object.clone();
    object[10 * PAGE..(10 + case.most()) * PAGE].fill(0);
    case.mends(&object, &case.parity);
    case.refuses(&vec![0; case.object.len()], &case.parity);
    case.refuses(&object, &vec![0; case.parity.len()]);
    let two = Case::new(2, 5);
    two.mends(&vec![0; two.object.len()], &two.parity);
}

#[test]
fn e8_a_pack_without_its_headers_comes_back() {
    let case = Case::small();
    for lost in [&[0][..], &[63], &[0, 63]] {
        let mut object = case.object.clone();
        for page in lost {
            object[page * PAGE..(page + 1) * PAGE].fill(0);
        }
        case.mends(&object, &case.parity);
    }
}

/// E9, of one object: what is damaged in one copy is whole in another.
#[test]
fn e9_copies_that_are_damaged_elsewhere_make_one_whole() {
    let case = Case::small();
    let mut repair = Repair::new(&case.parity, &case.id).unwrap();
    for copy in [0..40, 30..64, 5..50] {
        repair.take(&case.with_bad(copy));
    }
    // Pages 30 to 39 are bad in all three: three more than parity brings back.
    assert_eq!(repair.finish().unwrap_err().kind(), Kind::Damaged);
    let mut repair = Repair::new(&case.parity, &case.id).unwrap();
    for copy in [0..40, 33..64] {
        repair.take(&case.with_bad(copy));
    }
    assert!(repair.finish().unwrap() == case.object);
}

#[test]
fn a_pack_of_32_mib_survives_410_bad_sectors_or_a_burst_of_them() {
    let case = Case::new(32 * MIB / PAGE, 5);
    assert_eq!((case.shape.object, case.shape.parity), (8192, 410));
    assert_eq!(case.parity.len(), 1_826_816);
    let mut chance = Chance(7);
    case.mends(&case.with_bad(chance.some(410, 8192)), &case.parity);
    for first in [0, 1 + chance.below(7000), 8192 - 410] {
        case.mends(&case.with_bad(first..first + 410), &case.parity);
    }
    case.refuses(&case.with_bad(chance.some(411, 8192)), &case.parity);
}

#[test]
fn nothing_is_beyond_the_limits() {
    let largest = Shape::of(PACK_BYTES_MAX, 50).unwrap();
    assert_eq!((largest.object, largest.parity), (16_384, 8192));
    assert_eq!(largest.file_len(), PARITY_BYTES_MAX);
    for len in [
        0,
        1,
        4095,
        4097,
        PACK_BYTES_MAX + 4096,
        u64::MAX,
        u64::MAX - 4095,
    ] {
        assert_eq!(Shape::of(len, 5), None);
    }
    let mut case = Case::small();
    assert_eq!(
        parity::encode(b"short", &case.id, 5).unwrap_err().kind(),
        Kind::Damaged
    );
    // A header with a right checksum and numbers that cannot be.
    for (at, number) in [
        (12, u32::MAX),
        (12, 0),
        (16, 0),
        (16, 33),
        (16, u32::MAX),
        (20, 0),
    ] {
        let mut parity = case.parity.clone();
        parity.truncate(PAGE);
        parity[at..at + 4].copy_from_slice(&number.to_le_bytes());
        seal(&mut parity);
        case.refuses(&case.object, &parity);
    }
    for at in [8, 10] {
        let mut parity = case.parity.clone();
        parity[at] += 1;
        seal(&mut parity);
        let newer = parity::repair(&case.object, &parity, &case.id).unwrap_err();
        assert_eq!(newer.kind(), Kind::TooNew);
        let newer = parity::check(&parity, &case.id).unwrap_err();
        assert_eq!(newer.kind(), Kind::TooNew);
    }
    case.parity[200] = 1;
    seal(&mut case.parity);
    assert!(
        case.refuses(&[], &case.parity[..PAGE])
            .contains("cannot be")
    );
}

fn seal(parity: &mut [u8]) {
    let check = hash::object_id(&parity[..PAGE - 32]);
    parity[PAGE - 32..PAGE].copy_from_slice(check.as_bytes());
}

#[test]
fn no_bytes_make_it_panic_or_give_back_something_else() {
    let mut chance = Chance(99);
    let cases = [Case::new(2, 5), Case::new(9, 50), Case::new(30, 5)];
    for round in 0..3000 {
        let case = &cases[round % cases.len()];
        let (mut object, mut parity) = (case.object.clone(), case.parity.clone());
        for bytes in [&mut object, &mut parity] {
            for _ in 0..chance.below(6) {
                let at = chance.below(bytes.len().max(1));
                match chance.below(7) {
                    0 => bytes.truncate(at),
                    1 => bytes.extend(vec![0; at % 9000]),
                    2 => drop(bytes.drain(..at.min(bytes.len()))),
                    3 => bytes
                        .iter_mut()
                        .skip(at)
                        .take(5000)
                        .for_each(|byte| *byte = 0),
                    4 if bytes.len() >= PAGE => {
                        bytes[at.min(127)] = chance.below(256).to_le_bytes()[0];
                        seal(bytes);
                    }
                    _ => bytes
                        .iter_mut()
                        .skip(at)
                        .take(1)
                        .for_each(|byte| *byte ^= 1),
                }
            }
        }
        let _ = parity::check(&parity, &case.id);
        if let Ok(mended) = parity::repair(&object, &parity, &case.id) {
            assert!(mended == case.object);
        }
    }
}

/// The bytes of code 1, frozen: object length, percent, the first parity shard's first numbers, hash of the whole.
#[test]
fn the_bytes_are_those_of_the_vectors() {
    let mut found = String::new();
    for (pages, percent) in [(2, 5), (3, 5), (9, 50), (64, 10), (700, 1), (2000, 5)] {
        let case = Case::new(pages, percent);
        let first = &case.parity[case.shards().start * PAGE..][..64];
        found += &format!(
            "{pages} {percent} {} {} {}\n",
            case.shape.parity,
            to_hex(first),
            hash::object_id(&case.parity).to_hex()
        );
    }
    let wanted = VECTORS.lines().filter(|line| !line.starts_with('#'));
    let wanted: String = wanted.map(|line| format!("{line}\n")).collect();
    assert_eq!(found, wanted);
}

/// The equations of FORMAT.txt 12.3, solved by nobody here: they hold, or they do not.
#[test]
fn the_code_is_the_one_that_format_txt_defines() {
    const BETA: [u32; 16] = [
        0x0001, 0xACCA, 0x3C0E, 0x163E, 0xC582, 0xED2E, 0x914C, 0x4012, 0x6C98, 0x10D8, 0x6A72,
        0xB900, 0xFDB8, 0xFB34, 0xFF38, 0x991E,
    ];
    let phi = |v: usize| (0..16).fold(0, |sum, i| sum ^ if v >> i & 1 == 1 { BETA[i] } else { 0 });
    let times = |a: u32, b: u32| {
        let product = (0..16).fold(0_u32, |sum, i| {
            sum ^ if b >> i & 1 == 1 { a << i } else { 0 }
        });
        (16..32)
            .rev()
            .fold(product, |product, i| match product >> i & 1 {
                1 => product ^ 0x1002D << (i - 16),
                _ => product,
            })
    };
    for (pages, percent) in [(3, 5), (7, 50), (30, 5)] {
        let case = Case::new(pages, percent);
        let count = case.most();
        assert!(count.is_power_of_two(), "no number that is not stored");
        let shards = case.shards();
        let parity = &case.parity[shards.start * PAGE..shards.end * PAGE];
        for place in [0, 31, 32, 2047] {
            let at = place / 32 * 64 + place % 32;
            let number = |shard: &[u8]| usize::from(shard[at]) | usize::from(shard[at + 32]) << 8;
            let word = parity.chunks(PAGE).chain(case.object.chunks(PAGE));
            let word: Vec<_> = word.map(number).collect();
            for power in 0..count {
                let sum = word.iter().enumerate().fold(0, |sum, (j, c)| {
                    sum ^ (0..power).fold(phi(*c), |term, _| times(term, phi(j)))
                });
                assert_eq!(sum, 0, "{pages} pages, place {place}, power {power}");
            }
        }
    }
}
