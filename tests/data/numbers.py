"""Compares rescue.py with section 17 of FORMAT.txt, both in the folder given. For tests/rescue.rs."""
import os, sys, struct, tempfile
sys.path.insert(0, sys.argv[1])
import rescue as r
text = open(os.path.join(sys.argv[1], "FORMAT.txt")).read()
n, last = {}, None
for line in text.split("17  NUMBERS TO CHECK AGAINST\n")[1].split("18  THE 2,048 WORDS\n")[0].splitlines():
    if line.startswith("  "):
        last = line[:32].strip() or last
        n[last] = n.get(last, "") + (" " if last == "words" else "") + line[32:]
x = lambda name: bytes.fromhex(n[name].replace(" ", ""))
keys = r.Keys(x("root"), x("repository id"))
def same(name, found):
    assert found == x(name), name
for name in ("data pack", "tree pack", "entry", "commit", "chunk id", "tree id", "list id", "chunker"):
    same(name + " key", keys.sub(name))
same('id of chunk "abc"', r.KH(keys.sub("chunk id"), b"abc"))
same("id of tree 94 01 90 90 90", r.KH(keys.sub("tree id"), bytes.fromhex("9401909090")))
same("id of the list", r.KH(keys.sub("list id"), x("list")))
assert r.unpack(x("list")) == [3, 0, x('id of chunk "abc"') + b"\3\0\0\0"]
same("entropy", r.entropy_of(n["words"]))
same("KEK of the words", r.DK("heirloom 2026-11 recovery words", x("entropy")))
same("KEK of key file 40..5f", r.DK("heirloom 2026-11 key file", bytes(range(0x40, 0x60))))
try:
    same("KEK of the passphrase", r.argon2id(b"correct horse battery staple", x("slot salt"), 1024, 2, 4))
except r.Quit:
    print("no Argon2id here")
slot = b"HLS1\3\0\0\0" + bytes(16) + keys.repo
slot += x("slot salt") + x("slot commitment") + x("wrapped root") + x("sealed note") + bytes(40)
assert r.open_slot(slot, x("KEK of the words")).root == keys.root and r.open_slot(slot, bytes(32)) is None
folder = tempfile.mkdtemp()
def box(kind, body, salt, commitment, area, record, tags, name, recovery=bytes(256)):
    head = r.MAGIC + struct.pack("<HBBBB2xIIQ", 1, kind, 1, 1, 16, 0, 0, body) + keys.repo + x(salt)
    rest = bytes(16) + recovery + bytes(3680)
    okm = r.DK("heirloom 2026-11 box", keys.sub(r.KINDS[kind]) + head + rest, 76)
    same(commitment, okm[44:])
    head += okm[44:] + rest
    head += r.H(head)
    count = -(-body // 65536)
    plain = area + record
    plain += bytes(body - 16 * count - 16 - len(plain)) + struct.pack("<II4x4s", len(area), len(record), b"HLTR")
    out = head
    for i in range(count):
        nonce = r.xor(okm[32:44], struct.pack("<4xQ", 2 * i + (i == count - 1)))
        part = plain[65520 * i:65520 * (i + 1)]
        part = r.xor(part, r.chacha20(okm[:32], nonce, 1, len(part)))
        padded = part + bytes(-len(part) % 16) + struct.pack("<QQ", 0, len(part))
        mac = r.poly1305(r.chacha20(okm[:32], nonce, 0, 32), padded)
        same(tags[i], mac)
        out += part + mac
    out += head if kind < 3 else b""
    same(name, r.H(out))
    path = os.path.join(folder, str(kind))
    with open(path, "wb") as f:
        f.write(out)
    opened = r.Box(path, (kind,), keys)
    assert opened.record() == (len(area), len(record), r.unpack(record))
    assert not area or opened.read(0, len(area)) == area
    return path
box(6, 4096, "box salt", "box commitment", b"", x("record"), ["tag"], "H of the file, 8,192 bytes")
path = box(4, 4096, "entry salt", "entry commitment", b"", x("entry record"), ["entry tag"], "entry id")
entry = r.Entry(x("entry id"), r.small_record(path, 4, keys), keys)
assert (entry.source, entry.tree, entry.host) == ("docs", x("id of tree 94 01 90 90 90"), "box")
box(2, 4096, "tree pack salt", "tree pack commitment", bytes.fromhex("9401909090"), x("tree pack directory"),
    ["tree pack tag"], "name of this pack, 12,288")
chunk = bytes(i % 251 for i in range(70000))
same("id of this chunk", r.KH(keys.sub("chunk id"), chunk))
directory = b"\x94\1\xc4\x10" + struct.pack("<IIIBBH", 70000, 70000, 1, 0, 1, 0)
directory += b"\xc4\x20" + x("id of this chunk") + b"\xc4\3" + struct.pack("<I", 70000)[:3]
box(1, 73728, "data pack salt", "data pack commitment", chunk, directory, ["tag of segment 0", "tag of segment 1"],
    "name of this pack, 81,920")
