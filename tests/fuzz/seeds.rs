//! Inputs that are taken, and what makes checksums of changed ones right again.

use crate::fuzz::edges::check;
use crate::fuzz::engine::Chance;
use crate::fuzz::fixed::{FIXED, GOLDEN, directory, frozen};
use heirloom::crypto::hash::object_id;
use heirloom::crypto::secret::Secret;
use heirloom::crypto::words::to_words;
use heirloom::device::memory::{Memory, Observed, Seen};
use heirloom::device::state::{Record, StateWriter};
use heirloom::device::table::writer::TableWriter;
use heirloom::format::ObjectKind;
use heirloom::format::chain::{Entry, Removed, What};
use heirloom::format::facts::{Fact, Facts};
use heirloom::format::header::set_checksum;
use heirloom::format::key_slot::write_key_file;
use heirloom::format::mirror::MirrorRecord;
use heirloom::format::parity::Shape;
use heirloom::format::snapshot::{Counts, Snapshot};
use heirloom::format::tree::content::List;
use heirloom::format::{codec, parity};
use heirloom::host::Timestamp;
use heirloom::id::Id;
use heirloom::limits::{PACK_BYTES_MAX, PAGE};

type Seeds = Vec<Vec<u8>>;

fn number(len: usize) -> [u8; 4] {
    u32::try_from(len).unwrap().to_le_bytes()
}

pub(crate) fn headers() -> Seeds {
    let all = FIXED.boxes.iter().chain(&GOLDEN.objects);
    let front = |bytes: &Vec<u8>| bytes.first_chunk::<PAGE>().map(|page| page.to_vec());
    all.filter_map(front).collect()
}

pub(crate) fn mend_header(bytes: &mut [u8]) {
    if let Some(header) = bytes.first_chunk_mut() {
        set_checksum(header);
    }
    // As a writer would leave it: the same at the end.
    if bytes.len() > 2 * PAGE {
        let header = bytes[..PAGE].to_vec();
        let at = bytes.len() - PAGE;
        if bytes[at..].starts_with(&header[..8]) {
            bytes[at..].copy_from_slice(&header);
        }
    }
}

pub(crate) fn plaintexts() -> Seeds {
    let record = directory().encode();
    let kinds = (0..9_u8).map(|kind| {
        let area = usize::from(matches!(kind, 0..=2)) * 15;
        let content = [&[9; 15][..area], &record].concat();
        let lens = [number(area), number(record.len()), [0; 4]].concat();
        [&[kind][..], &content, &lens, b"HLTR"].concat()
    });
    kinds.collect()
}

/// A trailer that fits the content, where the area stays 15 bytes or none.
pub(crate) fn mend_trailer(bytes: &mut Vec<u8>) {
    let kind = bytes.first().copied().unwrap_or(0) % 9;
    let content = bytes.len().saturating_sub(17);
    let area = content.min(usize::from(matches!(kind, 0..=2)) * 15);
    if bytes.len() >= 17 {
        bytes.truncate(1 + content);
        bytes.extend([number(area), number(content - area), [0; 4]].concat());
        bytes.extend(b"HLTR");
    }
}

pub(crate) fn directories() -> Seeds {
    let golden = GOLDEN.directories.iter().cloned();
    let all = golden.chain([(ObjectKind::DataPack, directory())]);
    let seeds = all.map(|(kind, directory)| {
        let kind = ObjectKind::ALL.iter().position(|other| *other == kind);
        let kind = u8::try_from(kind.unwrap()).unwrap();
        let area = u32::try_from(directory.area_len()).unwrap().to_le_bytes();
        [&[kind][..], &area, &directory.encode()].concat()
    });
    seeds.collect()
}

pub(crate) fn runs() -> Seeds {
    let golden = GOLDEN.opened.iter();
    let golden = golden.filter(|(kind, ..)| *kind == ObjectKind::IndexRun);
    let golden = golden.map(|(_, area, record)| [&number(area.len())[..], area, record].concat());
    let frozen = frozen("run").into_iter();
    golden
        .chain(frozen.map(|run| [&number(3 * 28)[..], &run].concat()))
        .collect()
}

/// Frozen records and those of the golden repository.
pub(crate) fn records(kind: &str) -> Seeds {
    let mut seeds = frozen(kind);
    seeds.extend(match kind {
        "entry" => [GOLDEN.records(ObjectKind::Entry), entries()].concat(),
        "intent" => GOLDEN.records(ObjectKind::Intent),
        "slot" => GOLDEN.records(ObjectKind::Commit),
        "mirror" => [GOLDEN.records(ObjectKind::Mirror), vec![mirror()]].concat(),
        "tree" => GOLDEN.trees.clone(),
        _ => Vec::new(),
    });
    assert!(!seeds.is_empty(), "{kind}");
    seeds
}

/// Every sort of fact.
fn facts() -> Facts {
    let inner = [("a".to_owned(), Fact::Int(-5))];
    let facts = [
        Fact::Nothing,
        Fact::Bool(true),
        Fact::Int(i64::MAX),
        Fact::Int(i64::MIN),
        Fact::Text("text".to_owned()),
        Fact::Bytes(vec![1; 32]),
        Fact::List(vec![Fact::Int(1), Fact::List(vec![Fact::Nothing])]),
        Fact::Map(Facts::from(inner)),
    ];
    let names = (b'a'..).map(|name| char::from(name).to_string());
    names.zip(facts).collect()
}

/// One for everything that can happen.
fn entries() -> Seeds {
    let ids = vec![Id::new([1; 32]), Id::new([2; 32])];
    let removed = Removed {
        device: [3; 16],
        seq: 4,
        entry: ids[0],
        prev: Some(ids[1]),
    };
    let reason = || "reason".to_owned();
    let counts = Counts {
        files: 1,
        folders: 2,
        bytes: 1 << 40,
        new_bytes: 4,
        skipped: 5,
    };
    let snapshot = Snapshot {
        source: "home".to_owned(),
        tree: ids[0],
        parent: Some(ids[1]),
        paths: vec![b"/a".to_vec(), vec![0xff]],
        excludes: vec!["*.o".to_owned()],
        tags: vec!["x".to_owned(), "y".to_owned()],
        counts,
        kinds: vec![(1, 2, 3), (4, 5, 6)],
        losses: ids.clone(),
        suspect: Some(reason()),
        unknown: 0,
    };
    let all = [
        What::Snapshot(Box::new(snapshot)),
        What::Remove {
            entries: vec![
                removed,
                Removed {
                    prev: None,
                    ..removed
                },
            ],
            reason: reason(),
        },
        What::Undelete(ids.clone()),
        What::Pin {
            ids: ids.clone(),
            reason: reason(),
        },
        What::Unpin(ids.clone()),
        What::Accept {
            source: reason(),
            entry: ids[0],
        },
        What::KitChecked(-5),
        What::Drill(facts()),
        What::SlotRemoved(ids[0]),
        What::DeviceName(reason()),
        What::Unknown("later".to_owned()),
    ];
    let golden = GOLDEN.records(ObjectKind::Entry);
    let entry = Entry::decode(&golden[0]).unwrap();
    let written = all.map(|what| {
        let entry = Entry {
            what,
            ..entry.clone()
        };
        entry.encode()
    });
    written.to_vec()
}

fn mirror() -> Vec<u8> {
    let golden = GOLDEN.records(ObjectKind::Mirror);
    let record = MirrorRecord {
        probe: facts(),
        ..MirrorRecord::decode(&golden[0]).unwrap()
    };
    record.encode()
}

pub(crate) fn nodes() -> Seeds {
    use heirloom::format::tree::TreeBlob;
    let trees = records("tree");
    let leaves = trees
        .iter()
        .filter_map(|tree| match TreeBlob::decode(tree) {
            Ok(TreeBlob::Leaf(leaf)) => Some(leaf.nodes),
            _ => None,
        });
    leaves.flatten().map(|node| codec::encode(&node)).collect()
}

pub(crate) fn lists() -> Seeds {
    let item = |id: u8, number: &[u8]| [&[id; 32][..], number].concat();
    let chunks: Vec<u8> = (1..9)
        .flat_map(|id| item(id, &70_000_u32.to_le_bytes()))
        .collect();
    let lists: Vec<u8> = (1..9)
        .flat_map(|id| item(id, &(1_u64 << 33).to_le_bytes()))
        .collect();
    let seed = |depth: u8, covers: u64, items: &[u8]| {
        let items = items.to_vec();
        let list = List { depth, items };
        [&[depth][..], &covers.to_le_bytes(), &list.encode()].concat()
    };
    vec![
        seed(0, 560_000, &chunks),
        seed(1, 1 << 36, &lists),
        seed(3, 1 << 36, &lists),
        [&[0; 9][..], &chunks].concat(),
        [&[1; 9][..], &lists].concat(),
    ]
}

pub(crate) fn slots() -> Seeds {
    let bare = FIXED.slots.iter().map(|slot| slot.as_bytes().to_vec());
    let objects = FIXED.slots.iter().map(|slot| slot.to_object());
    let golden = GOLDEN.objects.iter().filter(|bytes| bytes.len() == PAGE);
    bare.chain(objects).chain(golden.cloned()).collect()
}

pub(crate) fn words() -> Seeds {
    vec![
        to_words(&Secret::new([10; 16])).join(" ").into_bytes(),
        to_words(&Secret::new([0xf7; 16]))
            .join("\n")
            .to_uppercase()
            .into_bytes(),
        write_key_file(&Secret::new([11; 32])).into_bytes(),
    ]
}

pub(crate) fn parities() -> Seeds {
    let case = |(pages, percent): (usize, u8)| {
        let mut object = Chance::new(pages as u64).bytes(pages * PAGE);
        let made = parity::encode(&object, &object_id(&object), percent).unwrap();
        object[PAGE + 7] ^= 1;
        [&number(made.len())[..], &made, &object].concat()
    };
    [(2, 50), (3, 5), (9, 30), (20, 50)].map(case).to_vec()
}

pub(crate) fn mend_parity(bytes: &mut [u8]) {
    for at in [4, {
        let len = bytes
            .first_chunk()
            .map_or(0, |len| u32::from_le_bytes(*len)) as usize;
        len.min(bytes.len()).saturating_sub(PAGE) + 4
    }] {
        let page = bytes
            .get_mut(at..)
            .and_then(|rest| rest.first_chunk_mut::<PAGE>());
        if let Some(page) = page {
            mend_shape(page);
            let (body, sum) = page.split_at_mut(PAGE - 32);
            sum.copy_from_slice(object_id(body).as_bytes());
        }
    }
}

/// Any shape that may be, and the numbers that follow from it.
fn mend_shape(page: &mut [u8; PAGE]) {
    let number = |at: usize| u32::from_le_bytes(page[at..at + 4].try_into().unwrap());
    let within = |number: u32, most: u64| match u64::from(number) {
        fine if (1..=most).contains(&fine) => fine,
        other => other % most + 1,
    };
    let object = within(number(12), PACK_BYTES_MAX / PAGE as u64);
    let most = Shape::of(object * PAGE as u64, u8::MAX).unwrap().parity;
    let parity = within(number(16), most.into());
    let table = ((object + parity) * 8).next_multiple_of(PAGE as u64);
    for (at, number) in [(12, object), (16, parity), (20, table)] {
        page[at..at + 4].copy_from_slice(&number.to_le_bytes()[..4]);
    }
    page[24..32].copy_from_slice(&(object * PAGE as u64).to_le_bytes());
    page[128..PAGE - 32].fill(0);
}

pub(crate) fn frames() -> Seeds {
    let golden = GOLDEN.frames.iter();
    golden
        .map(|(len, frame)| [&len.to_le_bytes()[..], frame].concat())
        .collect()
}

pub(crate) fn states() -> Seeds {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let record = |name: u8, is_folder| Record {
        name: [name; 16],
        size: 5,
        is_folder,
        ..Record::default()
    };
    let mut writer = StateWriter::create(&path).unwrap();
    let below = [record(0, false), record(7, false)];
    let below = writer.add(Id::new([1; 32]), &below, &[]).unwrap();
    let above = [record(1, false), record(2, true), record(3, true)];
    let root = writer
        .add(Id::new([2; 32]), &above, &[below, below])
        .unwrap();
    writer
        .finish(Id::new([4; 32]), Timestamp::default(), root, &check)
        .unwrap();
    vec![std::fs::read(path).unwrap()]
}

pub(crate) fn mend_state(bytes: &mut [u8]) {
    if bytes.len() >= PAGE {
        let body = object_id(&bytes[PAGE..]);
        bytes[128..160].copy_from_slice(body.as_bytes());
        let sum = check(&bytes[..160]);
        bytes[160..192].copy_from_slice(&sum);
    }
}

pub(crate) fn memories() -> Seeds {
    let seen = |seq| Seen {
        seq,
        entry: Id::new([9; 32]),
    };
    let mut memory = Memory {
        fingerprint: Some("coral maze".to_owned()),
        own: Some(seen(u64::MAX)),
        ..Memory::default()
    };
    memory.pins.insert("usb disk".to_owned(), [1; 16]);
    let mirror = memory.mirror(&[1; 16]);
    mirror.heads.insert([2; 16], seen(3));
    mirror.marks.insert(Id::new([5; 32]));
    mirror.current = Some(-5);
    let observed = Observed {
        number: 7,
        since: i64::MIN,
    };
    mirror.observed.insert([6; 16], observed);
    vec![memory.encode(&check), Memory::default().encode(&check)]
}

pub(crate) fn mend_memory(bytes: &mut Vec<u8>) {
    let word = b"check ";
    if let Some(at) = bytes.windows(word.len()).rposition(|part| part == word) {
        bytes.truncate(at);
    }
    let sum = heirloom::id::to_hex(&check(bytes));
    bytes.extend(format!("check {sum}\n").bytes());
}

pub(crate) fn tables() -> Seeds {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table");
    let made = [0, 1, 300, 1000].map(|count: u32| {
        let mut writer = TableWriter::create(&path).unwrap();
        for at in 0..count {
            let mut row = [0; 40];
            // Many rows of some keys.
            row[..4].copy_from_slice(&(at / 150 * 7).to_be_bytes());
            row[20..24].copy_from_slice(&at.to_be_bytes());
            writer.push(&row).unwrap();
        }
        writer.finish(b"aux", &check).unwrap();
        std::fs::read(&path).unwrap()
    });
    made.to_vec()
}

pub(crate) fn mend_table(bytes: &mut [u8]) {
    let rows = bytes.get(8..16).and_then(|rows| rows.first_chunk());
    let rows = rows.map_or(u64::MAX, |rows| u64::from_be_bytes(*rows));
    let tail_at = rows.saturating_mul(40).saturating_add(PAGE as u64);
    let fence = rows.div_ceil(128).saturating_mul(8);
    let aux = (bytes.len() as u64).checked_sub(tail_at.saturating_add(fence));
    if let Some(aux) = aux {
        bytes[16..24].copy_from_slice(&aux.to_be_bytes());
        let tail = &bytes[usize::try_from(tail_at).unwrap()..];
        let sum = check(&[tail, &bytes[..24]].concat());
        bytes[24..56].copy_from_slice(&sum);
    }
}

pub(crate) fn contents() -> Seeds {
    let noise = Chance::new(5).bytes(300_000);
    let letters: Vec<u8> = noise.iter().map(|byte| b'a' + byte % 3).collect();
    let zeros = vec![0; 300_000];
    let mixed = [
        &noise[..100_000],
        &zeros[..90_000],
        &noise[100_000..200_000],
    ]
    .concat();
    let seeds = [noise, letters, zeros, mixed].into_iter().zip(0_u8..);
    seeds
        .flat_map(|(content, seed)| {
            [0, 1, 2].map(|class| [&[class, seed, 1, 2, 3, 4, 5, 6, 7][..], &content].concat())
        })
        .collect()
}

pub(crate) fn configs() -> Seeds {
    let texts = [
        "repository = \"00\"\nkey_file = \"/k\"\n\n[mirror.usb]\nlocation = \"/mnt\"\nremovable = true\nparity = \"5%\"\n\n[mirror.away]\nlocation = \"sftp://a/b\"\nssh_command = [\"ssh\", \"-v\"]\n\n[verify]\nevery = \"30d\"\n",
        "mirror.a.location = '/a'\nmirror.b = { location = \"b\" }\n[retention]\nkeep = { last = 3, within-daily = \"1y6m\", tag = [\"x\"] }\ngrace = \"14d\"\n",
        "[mirror.a]\nlocation = \"\"\"\n/a\\\n\"\"\"\npassword_command = [\n  \"x\",\n]\n# end",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

#[cfg(feature = "remote")]
pub(crate) fn listings() -> Seeds {
    let texts = [
        "<?xml version=\"1.0\"?><D:multistatus xmlns:D=\"DAV:\"><D:response><D:href>/a%20b/packs/</D:href><D:propstat><D:prop><D:resourcetype><D:collection/></D:resourcetype></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response><D:response><D:href>https://host/a%20b/packs/x&amp;y</D:href><D:propstat><D:prop><D:resourcetype/><D:getcontentlength>17</D:getcontentlength></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></D:multistatus>",
        "<multistatus xmlns=\"DAV:\"><response><href>/a</href><status>HTTP/1.1 403 Forbidden</status></response></multistatus>",
        "/a%20b/c?d#e",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

pub(crate) fn addresses() -> Seeds {
    let texts = [
        "/mnt/disk",
        "./here",
        "~/there",
        "file:///a%20b",
        "s3://box/a/b?endpoint=https://h:9/&path_style=true",
        "gs://box",
        "az://account/box/p",
        "sftp://me@host:22/~/a/b",
        "sftp://[::1]/abs",
        "sftp://host/~",
        "webdavs://me%40home@host/a%20b",
        "webdav://host:80",
        "rclone:remote:path",
        "rclone::local:/x",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

pub(crate) fn names() -> Seeds {
    let hex = Id::new([0xab; 32]).to_hex();
    let texts = [
        format!("packs/ab/{hex}"),
        format!("entries/{hex}"),
        format!("index/{hex}"),
        format!("keys/{hex}"),
        format!("intents/{}.12", &hex[..32]),
        format!("commits/{}", &hex[..32]),
        "mirror".to_owned(),
        "latest~2:/a/b".to_owned(),
        "tmp/a-1".to_owned(),
        format!("parity/ab/{hex}"),
    ];
    texts.map(String::into_bytes).to_vec()
}

/// Sound packs, and each way to hurt them.
pub(crate) fn hurts() -> Seeds {
    let mut seeds: Seeds = (0..3_u8).map(|which| vec![which, 0, 0, 3]).collect();
    for what in 0..9_u8 {
        let step = [what, 0x34, 0x12, 1, 0x55];
        seeds.push([&[what % 3, 0, 0x20, 0][..], &step, &[4, 0, 0, 0, 0]].concat());
    }
    seeds
}

pub(crate) fn patterns() -> Seeds {
    let texts = [
        "/home/a/b.o\n*.o\n!b.o\n",
        "/x/y/z\n# note\n/x/**/z\n\\#a\n[a-z]?{b,c}\n",
        "/A/\u{e4}\n**/[!x]\n/\n**\n",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

pub(crate) fn amounts() -> Seeds {
    let texts = ["512", "1.5 MiB", "64K", "2g", "2y6m4w14d36h", "9e18 t"];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}
