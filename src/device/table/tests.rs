//! The rules of `table`, one test each.

use super::*;
use proptest::prelude::{ProptestConfig, any, prop};
use proptest::{prop_assert, prop_assert_eq, proptest};
use std::collections::BTreeMap;
use std::fs;
use tempfile::TempDir;

fn check(bytes: &[u8]) -> [u8; 32] {
    let mut sum = [7_u8; 32];
    for (at, byte) in bytes.iter().enumerate() {
        let cell = &mut sum[at % 32];
        *cell = cell.rotate_left(3).wrapping_mul(5).wrapping_add(*byte);
    }
    sum
}

fn row(key: u128, rest: u64) -> Row {
    let mut row = [0; ROW];
    row[..KEY].copy_from_slice(&key.to_be_bytes());
    row[KEY..KEY + 8].copy_from_slice(&rest.to_be_bytes());
    row
}

fn write(path: &Path, rows: &[Row], aux: &[u8]) {
    let mut writer = TableWriter::create(path).unwrap();
    for row in rows {
        writer.push(row).unwrap();
    }
    writer.finish(aux, &check).unwrap();
}

fn table(place: &TempDir, name: &str, rows: &[Row], aux: &[u8]) -> Table {
    let path = place.path().join(name);
    write(&path, rows, aux);
    Table::open(&path, &check).unwrap()
}

fn found(table: &Table, key: u128) -> Vec<Row> {
    let mut rows = Vec::new();
    table
        .find(&key.to_be_bytes(), &mut |row| rows.push(*row))
        .unwrap();
    rows
}

fn all(table: &Table) -> Vec<Row> {
    table.rows().map(|row| row.unwrap()).collect()
}

#[test]
fn none_and_one_row_are_tables_too() {
    let place = tempfile::tempdir().unwrap();
    let none = table(&place, "none", &[], b"aux");
    assert!(none.is_empty() && all(&none).is_empty() && found(&none, 0).is_empty());
    assert_eq!(none.aux(), b"aux");
    let one = table(&place, "one", &[row(5, 1)], b"");
    assert_eq!((one.len(), found(&one, 5)), (1, vec![row(5, 1)]));
    for absent in [0, 4, 6, u128::MAX] {
        assert!(found(&one, absent).is_empty());
    }
}

#[test]
fn all_rows_of_one_key_are_found_wherever_they_lie() {
    let place = tempfile::tempdir().unwrap();
    for before in [0, 1, 127, 128, 129, 255, 256] {
        for copies in [1, 2, 127, 128, 129, 400] {
            let mut rows: Vec<Row> = (0..before).map(|n| row(n, 0)).collect();
            // Keys that agree in the eight bytes of the fence, too.
            let wanted: Vec<Row> = (0..copies).map(|n| row(1000, n)).collect();
            rows.extend(&wanted);
            rows.extend((1001..1200).map(|n| row(n, 0)));
            let table = table(&place, "t", &rows, b"");
            assert_eq!(found(&table, 1000), wanted, "{before} {copies}");
            assert_eq!(found(&table, 1001).len(), 1);
            assert!(found(&table, 999).is_empty());
        }
    }
}

#[test]
fn rows_out_of_order_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let mut writer = TableWriter::create(&place.path().join("t")).unwrap();
    writer.push(&row(2, 0)).unwrap();
    assert_eq!(writer.push(&row(1, 0)).unwrap_err().kind(), Kind::Damaged);
    drop(writer);
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "unfinished");
}

#[test]
fn a_new_table_takes_the_place_of_the_old_only_when_it_is_whole() {
    let place = tempfile::tempdir().unwrap();
    let old = table(&place, "t", &[row(1, 0)], b"old");
    let path = place.path().join("t");
    let mut writer = TableWriter::create(&path).unwrap();
    writer.push(&row(2, 0)).unwrap();
    assert_eq!(Table::open(&path, &check).unwrap().aux(), b"old");
    writer.finish(b"new", &check).unwrap();
    assert_eq!(Table::open(&path, &check).unwrap().aux(), b"new");
    assert_eq!(found(&old, 1).len(), 1, "an open table stays as it was");
}

#[test]
fn a_cut_or_changed_file_is_an_error_and_never_a_panic() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("t");
    let rows: Vec<Row> = (0..300).map(|n| row(n << 64, 0)).collect();
    write(&path, &rows, b"a list of packs");
    let good = fs::read(&path).unwrap();
    for len in (0..good.len()).step_by(61).chain([good.len() - 1]) {
        fs::write(&path, &good[..len]).unwrap();
        let error = Table::open(&path, &check).unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged, "cut to {len}");
    }
    let covered = (0..HEAD + 32).chain(PAGE + 300 * ROW..good.len());
    for at in covered {
        for bit in [0, 7] {
            let mut wrong = good.clone();
            wrong[at] ^= 1 << bit;
            fs::write(&path, &wrong).unwrap();
            let error = Table::open(&path, &check).unwrap_err();
            assert_eq!(error.kind(), Kind::Damaged, "flipped at {at}");
        }
    }
    fs::write(&path, &good).unwrap();
    let error = Table::open(&path, &|_| [0; 32]).unwrap_err();
    assert_eq!(error.kind(), Kind::Damaged, "another key");
    let absent = Table::open(&place.path().join("no"), &check).unwrap_err();
    assert_eq!(absent.kind(), Kind::NotFound);
    let open = Table::open(&path, &check).unwrap();
    fs::write(&path, &good[..PAGE + 10]).unwrap();
    assert!(open.find(&[0; KEY], &mut |_| {}).is_err());
    let told: Vec<bool> = open.rows().map(|row| row.is_ok()).collect();
    assert_eq!(told, [false]);
}

#[test]
fn damaged_rows_lose_finds_and_nothing_else() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("t");
    let rows: Vec<Row> = (0..1000).map(|n| row(n << 100, 0)).collect();
    write(&path, &rows, b"");
    let mut bytes = fs::read(&path).unwrap();
    bytes[PAGE..PAGE + 1000 * ROW]
        .iter_mut()
        .step_by(7)
        .for_each(|byte| *byte ^= 0x5a);
    fs::write(&path, &bytes).unwrap();
    let table = Table::open(&path, &check).unwrap();
    for n in 0..1000 {
        let _ = found(&table, n << 100);
    }
    let mut writer = TableWriter::create(&place.path().join("merged")).unwrap();
    let merged = merge(&[&table], &mut |_, _| true, &mut writer);
    assert_eq!(merged.unwrap_err().kind(), Kind::Damaged);
}

#[test]
fn merging_keeps_the_order_of_tables_and_may_change_or_drop_rows() {
    let place = tempfile::tempdir().unwrap();
    let a = table(&place, "a", &[row(1, 10), row(3, 10), row(3, 11)], b"");
    let b = table(&place, "b", &[row(0, 20), row(3, 20), row(9, 20)], b"");
    let none = table(&place, "none", &[], b"");
    let path = place.path().join("merged");
    let mut writer = TableWriter::create(&path).unwrap();
    let mut map = |table: usize, row: &mut Row| {
        row[ROW - 1] = u8::try_from(table).unwrap();
        row[KEY + 7] != 11
    };
    merge(&[&a, &none, &b], &mut map, &mut writer).unwrap();
    assert_eq!(writer.len(), 5);
    writer.finish(b"both", &check).unwrap();
    let merged = all(&Table::open(&path, &check).unwrap());
    let short: Vec<_> = merged
        .iter()
        .map(|row| (row[15], row[23], row[39]))
        .collect();
    assert_eq!(
        short,
        [(0, 20, 2), (1, 10, 0), (3, 10, 0), (3, 20, 2), (9, 20, 2)]
    );
}

#[test]
fn a_million_rows_merge_in_a_small_memory() {
    let peak_kib = || {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
    };
    let place = tempfile::tempdir().unwrap();
    for part in 0..4_u128 {
        let mut writer = TableWriter::create(&place.path().join(part.to_string())).unwrap();
        for n in 0..250_000_u128 {
            writer.push(&row((n * 4 + part) << 90, 0)).unwrap();
        }
        writer.finish(b"", &check).unwrap();
    }
    let parts: Vec<Table> = (0..4)
        .map(|part| Table::open(&place.path().join(part.to_string()), &check).unwrap())
        .collect();
    let path = place.path().join("merged");
    let mut writer = TableWriter::create(&path).unwrap();
    let (before, mut most, mut seen) = (peak_kib(), None, 0);
    let mut map = |_: usize, _: &mut Row| {
        seen += 1;
        if seen % 100_000 == 0 {
            most = most.max(peak_kib());
        }
        true
    };
    merge(&parts.iter().collect::<Vec<_>>(), &mut map, &mut writer).unwrap();
    writer.finish(b"", &check).unwrap();
    let table = Table::open(&path, &check).unwrap();
    assert_eq!(table.len(), 1_000_000);
    for n in [0, 1, 127, 128, 499_999, 999_999] {
        assert_eq!(found(&table, n << 90).len(), 1);
    }
    if let (Some(before), Some(most)) = (before, most) {
        // The rows are 40 MB. Other tests share the process, hence the room.
        assert!(most < before + 24 * 1024, "from {before} to {most} KiB");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn look_ups_agree_with_a_map(
        keys in prop::collection::vec((0_u128..400, any::<bool>()), 0..900),
        asked in prop::collection::vec(0_u128..420, 50),
    ) {
        let place = tempfile::tempdir().unwrap();
        // Half of the keys differ only behind the eight bytes that the fence knows.
        let spread = |key: u128, near: bool| if near { key } else { key << 80 };
        let mut model: BTreeMap<u128, Vec<Row>> = BTreeMap::new();
        for (n, (key, near)) in keys.iter().enumerate() {
            let key = spread(*key, *near);
            model.entry(key).or_default().push(row(key, n as u64));
        }
        let rows: Vec<Row> = model.values().flatten().copied().collect();
        let table = table(&place, "t", &rows, b"x");
        prop_assert_eq!(all(&table), rows);
        for key in asked.iter().flat_map(|key| [spread(*key, true), spread(*key, false)]) {
            prop_assert_eq!(found(&table, key), model.get(&key).cloned().unwrap_or_default());
        }
    }

    #[test]
    fn any_bytes_get_an_answer(mut bytes in prop::collection::vec(any::<u8>(), 0..9000)) {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("t");
        if bytes.len() > 8 {
            bytes[..4].copy_from_slice(&MAGIC);
            bytes[4..8].copy_from_slice(&VERSION.to_be_bytes());
        }
        fs::write(&path, &bytes).unwrap();
        prop_assert!(Table::open(&path, &check).is_err());
    }
}
