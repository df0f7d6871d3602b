#!/usr/bin/env python3
"""rescue.py - reads a heirloom backup with nothing but Python and the right secret.

    rescue.py MIRROR --list | --to DIR [--snapshot ID] [--path P]
              [--key-file F | --passphrase] [--check]

MIRROR is the folder of the backup. Nothing in it is ever changed. Without --key-file or
--passphrase the twelve recovery words are asked for: at the terminal, or one line of standard input.

  --list         show the snapshots
  --to DIR       restore into DIR, which must be empty or not exist yet
  --snapshot ID  which one, by the beginning of its id; also one that was removed, or never finished.
                 Default: the newest of every source (a source is a name on a host), each in a folder
                 of its own below DIR if there are several
  --path P       only P and what is below it, as in "home/ann/photos"
  --check        compare every piece with its id (done anyway if the module blake3 is installed)
Ends with 0 done, 1 failure, 2 wrong usage, 5 damage found or files lost, 10 no backup in this folder,
12 the secret does not fit, 15 something was made by a newer version.

Written from FORMAT.txt alone; numbers in brackets like (3.5) are its sections. What is checked always:
header checksum and commitment, the tag of every segment read (so that all bytes are those of the
writer), names of entries and key slots, ids of trees and lists, all lengths. Damage never stops it:
what is lost is listed at the end, the rest is restored. A file with gaps is called NAME.incomplete.
The folders index/ and parity/ are not used. Needs Python 3.6. Taken when there, else done here in
Python: libcrypto (OpenSSL), the module blake3. zstd needs Python 3.14, the module zstandard, or the
program zstd. A passphrase needs OpenSSL 3.2 or the module argon2.
"""
import argparse, ctypes, ctypes.util, datetime, errno, getpass, glob, hashlib, hmac, importlib, io, os
import re, shutil, stat, struct, subprocess, sys, tempfile, time, unicodedata
from collections import OrderedDict

MAGIC = b"\x89HLM\r\n\x1a\n"
PAGE, SEG, TEXT, MIB = 4096, 65536, 65520, 1 << 20          # text: plaintext bytes of a segment
KINDS = {1: "data pack", 2: "tree pack", 3: "index", 4: "entry", 5: "intent", 6: "commit", 7: "mark",
         8: "ledger", 9: "mirror"}
LARGEST = {1: 64 * MIB, 2: 64 * MIB, 3: 64 * MIB, 4: MIB, 5: MIB, 6: MIB, 7: 16 * MIB, 8: 16 * MIB,
           9: 8192, 10: 4096}

class Quit(Exception):                  # ends the program: code, message
    pass
class Damaged(Exception):
    pass
class TooNew(Exception):
    pass

def want(condition, message):
    if not condition:
        raise Damaged(message)

def show(text):
    """Names are untrusted: text or bytes as something that a terminal can be given."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else "\\x%02x" % ord(c) for c in text)

def say(line, out=None):
    out = out or sys.stdout
    code = getattr(out, "encoding", None) or "ascii"
    out.write(line.encode(code, "backslashreplace").decode(code) + "\n")
    out.flush()

SHOWN = [time.time()]

def progress(text):
    if sys.stderr.isatty() and time.time() > SHOWN[0] + 1:
        SHOWN[0] = time.time()
        sys.stderr.write("\r%s \b" % text)
        sys.stderr.flush()

# ---- the words (section 18), first four letters: AB an il le ... is aban(don) abil(ity) able ... ----
WORD_LIST = """
  ABanilleouovsesostsuusACcecicocuhiidouqurot.titotrtuADapd.didrjumiulvaviAEroAFfaforaAGaie.enreAHeaAIm.r.rpslALarbucoer
  iel.lelomoonphresotewaAMatazonouusANalchcigeglgrimklnonuotswtetixiy.AParolpeplprriARchcteaengum.memomyourarerirot.teti
  twASk.pesasesisuthAThlomtatetitrAUctdiguntthtotuAVerocoiAWakarayesfukwAXisBAbychcodgg.lalcllmbnannr.rergrrsesiskttBEac
  anaucacoeffogihahililoltncnesttrtttwyoBIcyd.kendolrdrtttBLacadamanaseaesinooosouueurusBOaratdyilmbnenuokosrdrirrssttun
  x.y.BRacaianasaveaeeicidieiginisocokonoootowusBUbbdddgffillblkllndnkrdrgrss.sisyttyezzCAbbbiblctgekelllmmempn.nancndnn
  nonvnypapiptr.rbrdrgrprrrtseshsistsut.tatctettugusutveCEillemensntrertCHaialamanaoaparasateaeceeeferesicieilimoioorouc
  unurCIgannrctityviCLaiaparawayeaerevicieifiminipocogosotouowubumusutCOacascodeffilinlllolumbmemfmimmmpncndnfngnnnsntnv
  okolpppyrarernrrstttucunupurusveyoCRacadafamanasatawazeaedeeewicimisitoposouowucueuiumunusy.ysCUbeltp.pbrirrrtrvshstte
  CYclDAd.mampncngrishugwny.DEalbabrcaceciclcocrerfefifygrlalimaminintnypapepoptpuriscsesiskspsttatevevivoDIagalamarcees
  etffgignlennnorertsascseshsmsospstvevivozzDOctcug.lllpmananknoorseubveDRafagamasaweaesifilinipivopumy.DUckmbneristtcty
  DWarDYnaEAgeglrlrnrtsistsyEChoolonEDgeitucEFfoEGg.EIghthELbodeecegemepevitseEMbabobrerotplpoptENabacd.dldoemerfogagiha
  joliourirosutetitrveEPisEQuauiERa.asodosroupEScasasetaETerhiEVidilokolEXacamcechciclcuecerhahiilisitotpapepiplpoprtetr
  EYe.ebFAbrcecudeinitlllsmemimon.ncntrmsht.tathtiulvoFEatbrdee.edelmancsttcvew.FIbectelgulelmltnandnengnirermrsscsht.tn
  x.FLagamasataveeigipoaocooowuiusy.FOamcug.illdllodotrcrergrkrtrurwssstunx.FRagameqesieinogonosowozuiFUeln.nnrnrytuGAdg
  inlallmep.rarbrdrlrms.sptethugzeGEneninrntnustGHosGIanftggngrarlveGLadanarasidimobooorovowueGOatddldodosrispssvewnGRab
  acaianapasaveaeeidieitocouowunGUaresidilitn.GYm.HAbiirlfmmmsndpprbrdrsrvt.vewkzaHEadalaravdgiglllmlpn.roHIddghllntp.re
  stHObbckldlelillmeneodpernrrrsspstteurveHUb.gemambmondngntrdrrrtsbHYbrICe.onIDeaenleIGnoILl.lelnIMagitmemupapoprpuINch
  clcocrdedidodufaflfohaheitjejumanenopuqusasesispsttatetovevivoIRonISlaolsuITemIVorJAckgur.zzJEalanllweJOb.inkeury.JUdg
  icmpngninkstKAngKEeneptcy.KIckd.dnndngsst.tctettwiKNeeifocowLAb.bebodddykempngptrgtetiugunvaw.wnwsyezyLEadafaravctftg.
  gageismondngnsopssttveLIarbebrcefeftghkembminkonqustttvezaLOadanbscackginengopttudunveyaLUckggmbnancxuLYriMAchd.gignid
  ilinjokemmn.nandngnsnuplrbrcrgrirkrrsksssttctethtrttxizeMEadanasatchdadiloltmbmontnurcrgrirrshsstathMIdddnlkllmindnino
  nurarrsessstx.xextMObidedim.meninknsntonrarernsqthtitounusveviMUchffleltscseshsisttuMYsestthNAivmepkrrsttituNEarckedga
  glitphrvstt.twutvewsxtNIceghNOblismiodrmrtsetatethtivew.NUclmbrst.OAk.OBeyjeliscsetaviOCcueatoODorOFf.fefiteOIl.OKayOL
  d.ivymOMitONcee.iolilyOPenerinpotiORanbichdedigaieigphOStrOTheOUtdtetptsOValenerOWn.neOXygOYstOZonPActddgeirlalmndneni
  ntperarerkrrrtsstcthtitrttusveymPEacanaraslin.nancoppprfrmrst.PHonotraysPIancnctecg.gelllonkonpesttczzPLacanasatayeaed
  ucugunPOemetinlalelindnyolpurtsisssttattvewdwePRacaiedefepesetevicidiminioisivizobocodofogojomoooposotouovPUblddlllpls
  mpncpipprcrirprssht.zzPYraQUalanaresicitizotRAbbccceckdadiilinisllmpncndngpiretethvew.zoREadalasbebucacecicocyduflfofu
  gigrgujelalelilymamemimondnentoppapeplpoquscsesisospsutitrtuunveviwaRHytRIb.bbcechdedgflghgingotppsktuvaveROadasbobuck
  maofokomsetaugunutyaRUbbdeg.len.nwraSAd.dddnfeillalmloltlumempndtitoucusvey.SCalanaratenhehoieisorourareriruSEa.arasat
  cocrctcuedekgmlellmininsntrirvsstttuveSHadafalaredelerieifinipivocoeoooporouovriruufy.SIblckdeegghgnlelklllvmimpncngre
  sttux.zeSKateti.ilinirulSLabameeenicidigimogotowusSMalarilokooSNacakapifowSOapcccickdaftlaldlilulvmengonrrrtulunupurut
  SPacarataweaeceeelenheicidikinirlioionooorotrareriy.SQuaueuiSTabadafagaiamanaratayeaeeemepericilinocomonooorovrareriro
  ruudufumylSUbjbmbwccchddffgaggitmmn.nnnspeppprrerfrgrprrrvspstSWalamapareaeeifiminitorSYmbmprustTAblckg.illelknkpergsk
  stttxiTEacamlln.nannntrmstxtTHanatemeneoereyinisoureriroumunTIckdegeltmbmenyp.resstlTOasbadadde.geilkemamonengniolotp.
  pipprcrnrtsstaurwawewny.TRacadafagaianapasavayeaeeeniaibicigimipopouucueulumusuty.TUbeitmbnannrkrnrtTWeleniciniso.TYpe
  piUGlyUMbrUNabawclcodedofafohaifiqitivknlotiusveUPdagrhoonpeseURbageUSage.edefeluaUTilVAcacugulilllvn.niporistulVEhilv
  ndntnurbrirsryssteVIabbrcictdeewllntolrtrusasisutaviVOcaicidlcluteyaWAgegoitlklllnntrfrmrrshspsttevey.WEalaparasatb.dd
  ekirlcstt.WHalateaeeeneripisWIdedtfeldlln.ndnengnknnntresdseshtnWOlfmandodolrdrkrlrrrtWRapecesisitonYArdYEarllYOu.unut
  ZEbrroZOneo.
"""
WORDS = {}
for _group in re.findall("[A-Z]{2}[a-z.]+", "".join(WORD_LIST.split())):
    for _i in range(2, len(_group), 2):
        WORDS[(_group[:2].lower() + _group[_i:_i + 2]).rstrip(".")] = len(WORDS)

def entropy_of(phrase):
    words = phrase.lower().split()
    bad = [str(i + 1) for i, w in enumerate(words) if w[:4] not in WORDS]
    if bad:
        raise Quit(12, "not a word of the list: number " + ", ".join(bad))
    if len(words) != 12:
        raise Quit(12, "twelve words are needed, these are %d" % len(words))
    number = 0
    for w in words:
        number = number << 11 | WORDS[w[:4]]
    entropy = (number >> 4).to_bytes(16, "big")
    if hashlib.sha256(entropy).digest()[0] >> 4 != number & 15:
        raise Quit(12, "the twelve words do not fit together: one is wrong, or the order is")
    return entropy

# ---- lanes: many 32-bit numbers side by side in one Python integer, 64 bits each ----
# All the work of BLAKE3 and ChaCha20 is done on up to 256 blocks at once. This makes it 30 times faster.
def lanes(numbers):
    return int.from_bytes(struct.pack("<%dQ" % len(numbers), *numbers), "little")

def unlanes(number, count):
    return struct.unpack("<%dQ" % count, number.to_bytes(8 * count, "little"))

def ones(count):
    return int.from_bytes(b"\1\0\0\0\0\0\0\0" * count, "little")

# ---- BLAKE3 ----
IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
PERMUTE = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
QUARTERS = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
            (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))

def compress(h, m, counter, length, flags, one=1):
    """h, m, counter: lanes. Returns 16 lanes; the first 8 are the new chaining value."""
    mask = one * 0xFFFFFFFF
    v = list(h) + [x * one for x in IV[:4]] + [counter & mask, counter >> 32 & mask, length * one, flags * one]
    for _ in range(7):
        for (a, b, c, d), x, y in zip(QUARTERS, m[0::2], m[1::2]):
            va = (v[a] + v[b] + x) & mask
            t = v[d] ^ va
            vd = (t >> 16 | t << 16) & mask
            vc = (v[c] + vd) & mask
            t = v[b] ^ vc
            vb = (t >> 12 | t << 20) & mask
            v[a] = va = (va + vb + y) & mask
            t = vd ^ va
            v[d] = vd = (t >> 8 | t << 24) & mask
            v[c] = vc = (vc + vd) & mask
            t = vb ^ vc
            v[b] = (t >> 7 | t << 25) & mask
        m = [m[i] for i in PERMUTE]
    return [v[i] ^ v[i + 8] for i in range(8)] + [v[i + 8] ^ h[i] for i in range(8)]

def blake3_pure(data, key=IV, flags=0, size=32):
    full = max(0, (len(data) - 1) // 1024)          # all chunks of 1,024 bytes but the last one
    cvs = []
    for at in range(0, full, 256):
        n = min(256, full - at)
        one, w = ones(n), struct.unpack_from("<%dI" % (256 * n), data, 1024 * at)
        h, counter = [k * one for k in key], lanes(range(at, at + n))
        for b in range(16):
            m = [lanes(w[16 * b + j::256]) for j in range(16)]
            h = compress(h, m, counter, 64, flags | (b == 0) | (b == 15) << 1, one)[:8]
        cvs.extend(zip(*[unlanes(x, n) for x in h]))
    h, last = key, data[1024 * full:]
    for at in range(0, max(1, len(last)), 64):
        block = last[at:at + 64]
        node = (h, struct.unpack("<16I", block.ljust(64, b"\0")), full, len(block),
                flags | (at == 0) | (at + 64 >= len(last)) << 1)
        h = compress(*node)[:8]
    cvs.append(tuple(h))
    while len(cvs) > 2:                             # join neighbours; an odd one moves up as it is
        n = len(cvs) // 2
        one = ones(n)
        m = [lanes([cv[j] for cv in cvs[i:2 * n:2]]) for i in (0, 1) for j in range(8)]
        h = compress([k * one for k in key], m, 0, 64, flags | 4, one)[:8]
        cvs = list(zip(*[unlanes(x, n) for x in h])) + cvs[2 * n:]
    if full:
        node = (key, cvs[0] + cvs[1], 0, 64, flags | 4)
    out = b""
    for block in range((size + 63) // 64):          # the root, with the output block as counter
        out += struct.pack("<16I", *compress(node[0], node[1], block, node[3], node[4] | 8))
    return out[:size]

CONTEXTS = {}

def H_pure(data):
    return blake3_pure(data)

def KH_pure(key, data):
    return blake3_pure(data, struct.unpack("<8I", key), 16)

def DK_pure(context, material, size=32):
    if context not in CONTEXTS:
        CONTEXTS[context] = struct.unpack("<8I", blake3_pure(context.encode(), IV, 32))
    return blake3_pure(material, CONTEXTS[context], 64, size)

H, KH, DK, FAST_BLAKE3 = H_pure, KH_pure, DK_pure, False
try:
    from blake3 import blake3 as _blake3
    def _H(data):
        return _blake3(data).digest()
    def _KH(key, data):
        return _blake3(data, key=key).digest()
    def _DK(context, material, size=32):
        return _blake3(material, derive_key_context=context).digest(length=size)
    if (_H(b"x"), _KH(b"k" * 32, b"x"), _DK("c", b"x", 76)) == (H(b"x"), KH(b"k" * 32, b"x"), DK("c", b"x", 76)):
        H, KH, DK, FAST_BLAKE3 = _H, _KH, _DK, True
except Exception:                                   # not there, or another version: do without
    pass

# ---- ChaCha20-Poly1305 (RFC 8439), no associated data ----
def chacha20(key, nonce, counter, size):
    out, end = [], counter + (size + 63) // 64
    while counter < end:
        n = min(256, end - counter)
        one = ones(n)
        mask = one * 0xFFFFFFFF
        start = [x * one for x in struct.unpack("<16I", b"expand 32-byte k" + key + bytes(4) + nonce)]
        start[12] = lanes(range(counter, counter + n))
        v = list(start)
        for _ in range(10):
            for a, b, c, d in QUARTERS:
                va = (v[a] + v[b]) & mask
                t = v[d] ^ va
                vd = (t << 16 | t >> 16) & mask
                vc = (v[c] + vd) & mask
                t = v[b] ^ vc
                vb = (t << 12 | t >> 20) & mask
                v[a] = va = (va + vb) & mask
                t = vd ^ va
                v[d] = vd = (t << 8 | t >> 24) & mask
                v[c] = vc = (vc + vd) & mask
                t = vb ^ vc
                v[b] = (t << 7 | t >> 25) & mask
        columns = [unlanes((x + y) & mask, n) for x, y in zip(v, start)]
        out.append(struct.pack("<%dI" % (16 * n), *[w for block in zip(*columns) for w in block]))
        counter += n
    return b"".join(out)[:size]

def poly1305(key, text):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    a, p = 0, (1 << 130) - 5
    for i in range(0, len(text), 16):
        a = (a + int.from_bytes(text[i:i + 16] + b"\1", "little")) * r % p
    return ((a + int.from_bytes(key[16:32], "little")) & (1 << 128) - 1).to_bytes(16, "little")

def xor(a, b):
    return (int.from_bytes(a, "little") ^ int.from_bytes(b, "little")).to_bytes(len(a), "little")

def aead_open_pure(key, nonce, sealed):
    """The plaintext, or None if the tag is wrong."""
    text, tag = sealed[:-16], sealed[-16:]
    mac = poly1305(chacha20(key, nonce, 0, 32), text + bytes(-len(text) % 16) + struct.pack("<QQ", 0, len(text)))
    if not hmac.compare_digest(mac, tag):
        return None
    return xor(text, chacha20(key, nonce, 1, len(text)))

def libcrypto_paths():
    base = sys.base_prefix
    if sys.platform == "darwin":                    # the system's own ends the program when loaded
        for pattern in (base + "/lib/", "/opt/homebrew/opt/openssl*/lib/", "/usr/local/opt/openssl*/lib/"):
            for path in sorted(glob.glob(pattern + "libcrypto.[13]*.dylib"), reverse=True):
                yield path
    elif os.name == "nt":
        for path in sorted(glob.glob(os.path.join(base, "DLLs", "libcrypto-*.dll")), reverse=True):
            yield path
    else:
        for path in ("libcrypto.so.3", ctypes.util.find_library("crypto"), "libcrypto.so.1.1", "libcrypto.so"):
            if path:
                yield path

class LibCrypto:
    def __init__(self, path):
        self.lib = lib = ctypes.CDLL(path)
        pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
        for name, result, arguments in (
                ("EVP_chacha20_poly1305", pointer, ()), ("EVP_CIPHER_CTX_new", pointer, ()),
                ("EVP_DecryptInit_ex", number, (pointer, pointer, pointer, text, text)),
                ("EVP_CIPHER_CTX_ctrl", number, (pointer, number, number, pointer)),
                ("EVP_DecryptUpdate", number, (pointer, pointer, ctypes.POINTER(number), text, number)),
                ("EVP_DecryptFinal_ex", number, (pointer, pointer, ctypes.POINTER(number)))):
            function = getattr(lib, name)
            function.restype, function.argtypes = result, arguments
        self.ctx, self.cipher = lib.EVP_CIPHER_CTX_new(), lib.EVP_chacha20_poly1305()
        # what is sealed here must open there
        key, nonce, text = bytes(range(32)), bytes(range(12)), b"a rescue"
        box = xor(text, chacha20(key, nonce, 1, 8))
        box += poly1305(chacha20(key, nonce, 0, 32), box + bytes(8) + struct.pack("<QQ", 0, 8))
        if self.open(key, nonce, box) != text or self.open(key, nonce, box[:-1] + b"!") is not None:
            raise OSError("this libcrypto does not do ChaCha20-Poly1305")

    def open(self, key, nonce, sealed):
        lib, size, done = self.lib, len(sealed) - 16, ctypes.c_int(0)
        out, tag = ctypes.create_string_buffer(size + 16), ctypes.create_string_buffer(sealed[-16:], 16)
        good = (lib.EVP_DecryptInit_ex(self.ctx, self.cipher, None, key, nonce) == 1 and
                lib.EVP_CIPHER_CTX_ctrl(self.ctx, 0x11, 16, tag) == 1 and             # set the tag
                lib.EVP_DecryptUpdate(self.ctx, out, ctypes.byref(done), sealed[:-16], size) == 1 and
                lib.EVP_DecryptFinal_ex(self.ctx, ctypes.addressof(out) + size, ctypes.byref(done)) == 1)
        return out.raw[:size] if good else None

    def argon2id(self, secret, salt, memory, passes, lane_count):
        """OpenSSL 3.2 and newer; else None."""
        class Param(ctypes.Structure):
            _fields_ = [("key", ctypes.c_char_p), ("type", ctypes.c_uint), ("data", ctypes.c_void_p),
                        ("size", ctypes.c_size_t), ("back", ctypes.c_size_t)]
        lib, pointer = self.lib, ctypes.c_void_p
        try:
            lib.EVP_KDF_fetch.restype, lib.EVP_KDF_fetch.argtypes = pointer, (pointer, ctypes.c_char_p, pointer)
            lib.EVP_KDF_CTX_new.restype, lib.EVP_KDF_CTX_new.argtypes = pointer, (pointer,)
            lib.EVP_KDF_derive.argtypes = (pointer, pointer, ctypes.c_size_t, pointer)
        except AttributeError:
            return None
        kdf = lib.EVP_KDF_fetch(None, b"ARGON2ID", None)
        if not kdf:
            return None
        values = [(b"pass", 5, secret), (b"salt", 5, salt)]             # 5: bytes; 2: a number
        values += [(k, 2, struct.pack("=I", n)) for k, n in ((b"lanes", lane_count), (b"threads", 1),
                   (b"memcost", memory), (b"iter", passes), (b"version", 0x13))]
        keep = [ctypes.create_string_buffer(v, max(1, len(v))) for _, _, v in values]
        params = (Param * (len(values) + 1))(*[Param(k, t, ctypes.addressof(b), len(v), 0)
                                               for (k, t, v), b in zip(values, keep)])
        out = ctypes.create_string_buffer(32)
        if lib.EVP_KDF_derive(lib.EVP_KDF_CTX_new(kdf), out, 32, params) != 1:
            return None
        return out.raw

LIBCRYPTO = None
for _path in libcrypto_paths():
    try:
        LIBCRYPTO = LibCrypto(_path)
        break
    except (OSError, AttributeError):
        pass
aead_open = LIBCRYPTO.open if LIBCRYPTO else aead_open_pure

def argon2id(secret, salt, memory, passes, lane_count):
    """memory in KiB. (4.4, limits 13)"""
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2048
    except (AttributeError, ValueError, OSError):
        machine = 2 * MIB
    if not (8 * lane_count <= memory <= min(2 * MIB, machine) and 1 <= passes <= 32 and 1 <= lane_count <= 16 and
            memory * passes <= 8 * MIB):
        raise Damaged("passphrase slot: Argon2id numbers out of bounds for this machine")
    key = LIBCRYPTO.argon2id(secret, salt, memory, passes, lane_count) if LIBCRYPTO else None
    if key is None:
        try:
            from argon2.low_level import hash_secret_raw, Type
        except ImportError:
            raise Quit(1, "a passphrase needs OpenSSL 3.2 or newer, or the Python module argon2\n"
                          "(pip install argon2-cffi). Or use the twelve words or the key file: they need neither")
        key = hash_secret_raw(secret, salt, passes, memory, lane_count, 32, Type.ID, 0x13)
    return key

# ---- zstd ----
def zstd_frame_length(data):
    """Length of the one frame at the start of data, from its headers alone."""
    try:
        want(data[:4] == b"\x28\xb5\x2f\xfd", "not a zstd frame")
        flags, at = data[4], 5
        single = flags >> 5 & 1
        want(not flags & 15, "zstd: dictionary, checksum or reserved bit")
        if not single:
            window = (1 << 10 + (data[5] >> 3)) // 8 * (8 + (data[5] & 7))
            want(window <= 4 * MIB, "zstd: window too large")
            at = 6
        at += (single, 2, 4, 8)[flags >> 6]
        last = 0
        while not last:
            block = data[at] | data[at + 1] << 8 | data[at + 2] << 16
            last, kind = block & 1, block >> 1 & 3
            want(kind != 3, "zstd: reserved block type")
            at += 3 + (1 if kind == 1 else block >> 3)
        return at
    except IndexError:
        raise Damaged("zstd: cut short")

def zstd_from_library(module):
    z = importlib.import_module(module)
    def decode(data, raw_len):
        d = z.ZstdDecompressor(options={z.DecompressionParameter.window_log_max: 22})
        return d.decompress(data, raw_len + 1)
    return decode

def zstd_from_module():
    z = importlib.import_module("zstandard")
    def decode(data, raw_len):
        want(z.frame_content_size(data) in (-1, raw_len), "zstd: other length")
        return z.ZstdDecompressor(max_window_size=4 * MIB).decompress(data, max_output_size=raw_len)
    return decode

def zstd_from_program():
    program = shutil.which("zstd") or shutil.which("unzstd")
    if not program:
        raise ImportError("zstd")
    def decode(data, raw_len):
        with tempfile.TemporaryFile() as source:
            source.write(data)
            source.seek(0)
            p = subprocess.Popen([program, "-d", "-c", "-q", "-M4MB"], stdin=source, stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL)
            out = p.stdout.read(raw_len + 1)
            p.stdout.close()                        # too much: it ends by itself, nobody reads
            want(p.wait() == 0, "zstd: does not decode")
            return out
    return decode

ZSTD = []
for _make in (lambda: zstd_from_library("compression.zstd"), lambda: zstd_from_library("backports.zstd"),
              zstd_from_module, zstd_from_program):
    try:
        ZSTD.append(_make())
    except Exception:
        pass

def unzstd(data, raw_len):
    """Exactly one frame in, exactly raw_len bytes out. (5.2)"""
    if not ZSTD:
        raise Quit(1, "zstd is missing: pip install zstandard, or install the program zstd, or use Python 3.14")
    want(zstd_frame_length(data) == len(data), "zstd: not exactly one frame")
    try:
        raw = ZSTD[0](data, raw_len)
    except (Damaged, Quit, MemoryError):
        raise
    except Exception as e:                          # each library has its own
        raise Damaged("zstd: %s" % e)
    want(len(raw) == raw_len, "zstd: other length")
    return raw

# ---- MessagePack (section 1) ----
def unpack(data):
    """Exactly one value. Floats and extension types are read, and then fit nowhere."""
    value, end = _value(data, 0, 0)
    want(end == len(data), "MessagePack: bytes after the value")
    return value

_FIXED = {0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i",
          0xD3: ">q"}
_SIZED = {0xC4: ("bin", 1), 0xC5: ("bin", 2), 0xC6: ("bin", 4), 0xC7: ("ext", 1), 0xC8: ("ext", 2), 0xC9: ("ext", 4),
          0xD9: ("text", 1), 0xDA: ("text", 2), 0xDB: ("text", 4), 0xDC: ("array", 2), 0xDD: ("array", 4),
          0xDE: ("map", 2), 0xDF: ("map", 4)}

def _value(data, at, depth):
    want(at < len(data), "MessagePack: cut short")
    t, at = data[at], at + 1
    if t < 0x80 or t >= 0xE0:
        return t - 256 * (t >= 0xE0), at
    if t in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[t], at
    if t in _FIXED:
        want(at + struct.calcsize(_FIXED[t]) <= len(data), "MessagePack: cut short")
        return struct.unpack_from(_FIXED[t], data, at)[0], at + struct.calcsize(_FIXED[t])
    if t < 0xC0:
        kind, n = ("map", t & 15) if t < 0x90 else ("array", t & 15) if t < 0xA0 else ("text", t & 31)
    elif 0xD4 <= t <= 0xD8:
        kind, n = "ext", 1 << t - 0xD4
    else:
        want(t in _SIZED, "MessagePack: no such type")
        kind, size = _SIZED[t]
        want(at + size <= len(data), "MessagePack: cut short")
        n, at = int.from_bytes(data[at:at + size], "big"), at + size
    n += kind == "ext"                              # its type
    want(n * (2 if kind == "map" else 1) <= len(data) - at, "MessagePack: count beyond the end")
    if kind == "bin":
        return bytes(data[at:at + n]), at + n
    if kind == "ext":
        return Ellipsis, at + n
    if kind == "text":
        try:
            return data[at:at + n].decode("utf-8"), at + n
        except UnicodeDecodeError:
            raise Damaged("MessagePack: text is not UTF-8")
    want(depth < 15, "MessagePack: too deep")
    if kind == "array":
        out = []
        for _ in range(n):
            value, at = _value(data, at, depth + 1)
            out.append(value)
        return out, at
    want(n <= 64, "MessagePack: too many keys")
    out = {}
    for _ in range(n):
        key, at = _value(data, at, depth + 1)
        want(isinstance(key, str) and key not in out, "MessagePack: key twice or no text")
        out[key], at = _value(data, at, depth + 1)
    return out, at

def is_id(x, size=32):
    return isinstance(x, bytes) and len(x) == size

def is_int(x, low=0, high=2 ** 64):
    return isinstance(x, int) and not isinstance(x, bool) and low <= x < high

def id_list(x):
    want(isinstance(x, bytes) and len(x) % 32 == 0, "not an id list")
    return [x[i:i + 32] for i in range(0, len(x), 32)]

def numbered(value, known, what):
    """An array whose first number says what it is; returns that number. (14)"""
    want(isinstance(value, list) and value and is_int(value[0]), what)
    if value[0] > max(known):
        raise TooNew(what + ": of a newer version")
    want(value[0] in known, what)
    return value[0]

# ---- the box (section 3) ----
class Keys:
    def __init__(self, root, repo):
        self.root, self.repo, self.known = root, repo, {}

    def sub(self, name):
        if name not in self.known:
            self.known[name] = DK("heirloom 2026-11 %s key" % name, self.root + self.repo + bytes(4))
        return self.known[name]

def read_at(path, offset, size):
    try:
        with open(path, "rb") as f:
            f.seek(offset)
            data = f.read(size)
    except OSError as e:
        raise Damaged("cannot be read: %s" % (e.strerror or e))
    want(len(data) == size, "cut short")
    return data

def check_header(head, kinds):
    """Steps 1 to 5 of 3.5; returns the kind."""
    want(head[:8] == MAGIC, "does not begin as it must")
    want(H(head[:4064]) == head[4064:], "header checksum")
    version, kind, mode, _, segment = struct.unpack("<HBBBB", head[8:14])
    want(version, "format version 0")
    if version > 1 or mode != 1 or segment != 16 or any(head[16:24]) or not 1 <= kind <= 10:
        raise TooNew("made by a newer version")
    zero = head[14:16] + head[112:128] + head[384:4064]
    zero += head[24:32] + head[48:112] if kind == 10 else b"" if kind < 3 else head[128:384]
    want(not any(zero), "bytes that must be zero are not")
    want(kind in kinds, "kind %d does not belong in this folder" % kind)
    return kind

class Box:
    def __init__(self, path, kinds, keys):
        self.path, first = path, None
        try:
            size = os.stat(path).st_size
        except OSError as e:
            raise Damaged("cannot be read: %s" % (e.strerror or e))
        want(size >= PAGE, "too short")
        for at in (0, size - PAGE) if 1 in kinds else (0,):     # packs: one good copy is enough
            try:
                return self.open(read_at(path, at, PAGE), size, kinds, keys)
            except Damaged as e:
                first = first or e
        raise first

    def open(self, head, size, kinds, keys):
        self.kind = check_header(head, kinds)
        self.body, = struct.unpack("<Q", head[24:32])
        want(size == PAGE + self.body + (PAGE if self.kind < 3 else 0) and size <= LARGEST[self.kind]
             and self.body % PAGE == 0 and self.body >= PAGE, "length of the file does not fit its header")
        want(head[32:48] == keys.repo, "belongs to another repository")
        okm = DK("heirloom 2026-11 box", keys.sub(KINDS[self.kind]) + head[:80] + head[112:4064], 76)
        want(hmac.compare_digest(okm[44:], head[80:112]), "another key, or altered")
        self.key, self.base = okm[:32], okm[32:44]
        self.n = (self.body + SEG - 1) // SEG
        self.capacity = self.body - 16 * self.n

    def segments(self, first, last):
        """Plaintext of segments first to last, joined."""
        data = read_at(self.path, PAGE + SEG * first, min(SEG * (last + 1), self.body) - SEG * first)
        out = []
        for i in range(first, last + 1):
            nonce = xor(self.base, struct.pack("<4xQ", 2 * i + (i == self.n - 1)))
            text = aead_open(self.key, nonce, data[SEG * (i - first):SEG * (i - first + 1)])
            want(text is not None, "segment %d is damaged" % i)
            out.append(text)
        return b"".join(out)

    def read(self, start, end):
        first = start // TEXT
        return self.segments(first, (end - 1) // TEXT)[start - TEXT * first:end - TEXT * first]

    def record(self):
        """Length of the area, length of the record, and the record as a value. (3.3)"""
        last = self.segments(self.n - 1, self.n - 1)
        area, length, zero, magic = struct.unpack("<II4s4s", last[-16:])
        want(not any(zero) and magic == b"HLTR", "trailer")
        want(area + length + 16 <= self.capacity and length, "lengths in the trailer")
        begin, data = TEXT * (self.n - 1), last
        if area < begin:                                        # it begins in an earlier segment
            end = min(self.n - 2, (area + length - 1) // TEXT)
            data = self.segments(area // TEXT, end)
            data, begin = data + (last if end == self.n - 2 else b""), area // TEXT * TEXT
        data = data[area - begin:]
        padding = data[length:-16] if len(data) + area == self.capacity else data[length:] + last[:-16]
        want(not any(padding), "padding is not zero")
        return area, length, unpack(data[:length])

def small_record(path, kind, keys, only=None):
    """The map in a box. only: keys it may have, where an unknown one is a newer version's. (10, 14)"""
    area, _, record = Box(path, (kind,), keys).record()
    want(area == 0 and isinstance(record, dict) and is_int(record.get("v"), 1), "not a record")
    if record["v"] > 1 or only and not set(only) >= set(record):
        raise TooNew("record of a newer version")
    return record

# ---- what is in the mirror ----
class Report:
    """What has to be said at the end."""
    def __init__(self):
        self.damage, self.lost, self.new, self.notes = OrderedDict(), [], OrderedDict(), OrderedDict()

    def problem(self, where, error):
        target = self.new if isinstance(error, TooNew) else self.damage
        target.setdefault("%s: %s" % (where, error))

    def lose(self, path, why):
        self.lost.append("%s: %s" % (show(path), why))

    def note(self, text, count=1):
        self.notes[text] = self.notes.get(text, 0) + count

    def finish(self):
        for title, lines in (("DAMAGED in this folder", self.damage), ("LOST", self.lost),
                             ("TOO NEW for this program", self.new)):
            if lines:
                say("\n%s (%d):" % (title, len(lines)))
                for line in lines:
                    say("  " + line)
        for text, count in self.notes.items():
            say("note: %s%s" % (text, " (%d times)" % count if count > 1 else ""))
        return 5 if self.damage or self.lost else 15 if self.new else 0

def names(mirror, folder, pattern, report):
    """Full paths of the files in a folder whose names fit."""
    out, path = [], os.path.join(mirror, folder)
    try:
        for name in sorted(os.listdir(path)):
            if re.fullmatch(pattern, name):
                out.append(os.path.join(path, name))
            else:
                report.note("ignored names in " + folder.split(os.sep)[0])
    except FileNotFoundError:
        pass
    except OSError as e:
        report.problem(folder, Damaged(e.strerror))
    return out

def pack_paths(mirror, report):
    for folder in names(mirror, "packs", "[0-9a-f]{2}", report):
        xx = os.path.basename(folder)
        for path in names(mirror, os.path.join("packs", xx), xx + "[0-9a-f]{62}", report):
            yield path

# ---- key slots (4.3, 4.4) ----
def slots(mirror, report, packs_too):
    seen = set()
    for folder in ("keys", "keys2"):
        for path in names(mirror, folder, "[0-9a-f]{64}", report):
            where = "%s/%s" % (folder, os.path.basename(path)[:16])
            try:
                head = read_at(path, 0, PAGE)
                check_header(head, (10,))
                want(H(head).hex() == os.path.basename(path) and os.stat(path).st_size == PAGE and
                     head[32:48] == head[152:168], "is not what its name says")
                if head[128:384] not in seen:
                    seen.add(head[128:384])
                    yield where, head[128:384]
            except (Damaged, TooNew) as e:
                report.problem(where, e)
    for path in pack_paths(mirror, report) if packs_too else ():
        for tail in (False, True):
            try:
                head = read_at(path, max(0, os.path.getsize(path) - PAGE) if tail else 0, PAGE)
                if any(head[128:384]) and head[128:384] not in seen:
                    check_header(head, (1, 2))
                    seen.add(head[128:384])
                    yield "pack " + os.path.basename(path)[:16], head[128:384]
                break
            except (Damaged, TooNew, OSError):
                continue                                        # comes up again when the pack is read

def open_slot(slot, kek):
    want(slot[:4] == b"HLS1" and not any(slot[5:8] + slot[216:]) and any(slot[40:72]), "is no key slot")
    if any(slot[20:24]):
        raise TooNew("key slot of a newer version")
    okm = DK("heirloom 2026-11 slot", kek + slot[:72] + slot[152:], 76)
    if not hmac.compare_digest(okm[44:], slot[72:104]):
        return None                                             # another secret
    root = aead_open(okm[:32], okm[32:44], slot[104:152])
    want(root is not None, "wrapped root is damaged")
    return Keys(root, slot[24:40])

def ask(prompt, hidden):
    if sys.stdin.isatty():
        return getpass.getpass(prompt) if hidden else input(prompt)
    return sys.stdin.buffer.readline().decode("utf-8")

def unlock(args, report):
    if args.passphrase:
        secret = unicodedata.normalize("NFC", ask("Passphrase: ", True).rstrip("\r\n")).encode("utf-8")
        kind = 1
    elif args.key_file:
        try:
            with open(args.key_file, "rb") as f:
                line = f.read(1000).strip()
        except OSError as e:
            raise Quit(1, "key file: %s" % e.strerror)
        if not re.match(b"heirloom-key-1:[0-9a-f]{64}$", line):
            raise Quit(12, "this is no key file: heirloom-key-1: and 64 hex digits must stand in it")
        kind, kek = 2, DK("heirloom 2026-11 key file", bytes.fromhex(line[15:].decode()))
    else:
        phrase = ask("The twelve recovery words: ", False)
        while sys.stdin.isatty() and len(phrase.split()) < 12:
            phrase += " " + ask("and the others (%d missing): " % (12 - len(phrase.split())), False)
        kind, kek = 3, DK("heirloom 2026-11 recovery words", entropy_of(phrase))
    tried = 0
    for where, slot in slots(args.mirror, report, kind == 3):
        if slot[4] != kind or kind == 1 and tried == 3:
            continue
        tried += 1
        try:
            if kind == 1:
                kek = argon2id(secret, slot[40:72], *struct.unpack("<III", slot[8:20]))
            else:
                want(not any(slot[8:20]), "is no key slot")
            keys = open_slot(slot, kek)
            if keys:
                return keys
        except (Damaged, TooNew) as e:
            report.problem("key slot in " + where, e)
    for line in list(report.damage) + list(report.new):
        say(line, sys.stderr)
    if report.new and not tried:
        raise Quit(15, "the key slots were made by a newer version")
    what = {1: "passphrase", 2: "key file", 3: "set of recovery words"}[kind]
    raise Quit(12, "this %s does not fit any key slot here (%d tried)" % (what, tried) if tried else
               "there is no undamaged key slot for a %s here" % what)

# ---- entries and snapshots (section 9) ----
class Entry:
    def __init__(self, eid, r, keys):
        self.id, self.word, self.body = eid, r["what"][0], (r["what"] + [None])[1]
        self.device, self.seq, self.prev, self.time = r["device"], r["seq"], r.get("prev"), tuple(r["time"])
        self.zone, self.host = r.get("zone", 0), r.get("host", "")
        self.heads, self.acked = r.get("heads", []), r.get("acked", [])
        self.state = "unfinished"
        want(r["repo"] == keys.repo and is_id(self.device, 16) and is_int(self.seq) and isinstance(self.word, str)
             and len(self.time) == 2 and all(is_int(x, -2 ** 63) for x in self.time) and is_int(self.zone, -1440, 1441)
             and isinstance(self.host, str) and (is_id(self.prev) if self.seq else self.prev is None), "entry")
        want(all(is_id(d, 16) and is_int(s) and is_id(i) for d, s, i in self.heads) and
             all(is_id(m, 16) and is_int(s) for m, s in self.acked), "entry")
        self.suspect = None
        if self.word == "snapshot":
            self.source, self.tree = self.body["source"], self.body["tree"]
            counts = self.body.get("counts", [0] * 5)
            self.files, self.bytes, self.suspect = counts[0], counts[2], self.body.get("suspect")
            want(is_id(self.tree) and isinstance(self.source, str) and is_int(self.files) and is_int(self.bytes) and
                 ("suspect" not in self.body or isinstance(self.suspect, str)), "snapshot")
        elif self.word == "remove":
            self.gone = [tuple(x) for x in self.body[0]]
            want(all(is_id(d, 16) and is_int(s) and is_id(i) for d, s, i, p in self.gone), "remove")
        elif self.word == "undelete":
            self.back = id_list(self.body)
        elif self.word == "accept":
            self.fine = self.body[1]

    def when(self):
        try:
            zone = datetime.timezone(datetime.timedelta(minutes=self.zone))
            return datetime.datetime.fromtimestamp(self.time[0], zone).strftime("%Y-%m-%d %H:%M %z")
        except (ValueError, OverflowError, OSError):
            return "time %d" % self.time[0]

    def line(self):
        line = "%s  %s  %s  %s  %d files  %d bytes" % (self.id.hex()[:8], self.when(), show(self.source),
                                                       show(self.host) or "-", self.files, self.bytes)
        return line + ("  SUSPECT: " + show(self.suspect) if self.suspect else "")

def read_entries(mirror, keys, report):
    """All entries by id, each with its state: visible, removed, unfinished."""
    entries, listed = {}, set()
    for path in names(mirror, "entries", "[0-9a-f]{64}", report):
        name = os.path.basename(path)
        try:
            with open(path, "rb") as f:
                want(H(f.read(MIB + 1)).hex() == name, "is not what its name says")
            entries[bytes.fromhex(name)] = Entry(bytes.fromhex(name), small_record(path, 4, keys), keys)
        except (Damaged, TooNew, OSError) as e:
            report.problem("entries/" + name[:16], e)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            report.problem("entries/" + name[:16], Damaged("not an entry"))
    for path in names(mirror, "commits", "[0-9a-f]{32}", report):
        try:
            record = small_record(path, 6, keys, ("v", "commit", "abort", "by"))
            want(set(record) in ({"v", "commit"}, {"v", "abort", "by"}), "neither COMMIT nor ABORT")
            listed.update(id_list(record.get("commit", b"")))
        except (Damaged, TooNew) as e:
            report.problem("commits/" + os.path.basename(path), e)
    visible = [e for e in entries.values() if e.id in listed]
    for e in visible:
        e.state = "visible"
    undeletes = [e for e in visible if e.word == "undelete"]
    accepted = {e.fine for e in visible if e.word == "accept"}
    gone = {}                                                   # (device, seq): ids, of what removes name
    for e in visible:
        if e.id in accepted:
            e.suspect = None
        seen = seen_by(e, visible) if undeletes and e.word == "remove" else {}
        for device, seq, eid, _ in e.gone if e.word == "remove" else ():
            gone.setdefault((device, seq), set()).add(eid)
            if eid in entries and entries[eid].state == "visible" and all(
                    u.seq <= seen.get(u.device, -1) for u in undeletes if eid in u.back):
                entries[eid].state = "removed"
    check_chains(mirror, entries, listed, gone, keys, report)
    return entries

def seen_by(entry, visible):
    """9.3: the highest number of each device that an entry has seen."""
    seen, more = {}, [(entry.device, entry.seq - 1)] + [h[:2] for h in entry.heads]
    while more:
        for device, seq in more:
            seen[device] = max(seq, seen.get(device, -1))
        known = [e for e in visible if e.seq <= seen.get(e.device, -1)]
        more = [(d, s) for e in known for d, s, _ in e.heads if s > seen.get(d, -1)]
    return seen

def check_chains(mirror, entries, listed, gone, keys, report):
    """9.4: what is missing or forked is said, never passed over."""
    for eid in sorted(listed - set(entries) - {i for ids in gone.values() for i in ids}):
        report.problem("entries/" + eid.hex()[:16], Damaged("is listed as done, but missing or damaged"))
    me, visible = None, {}
    try:
        me = small_record(os.path.join(mirror, "mirror"), 9, keys).get("id")
    except (Damaged, TooNew) as e:
        report.note("the object `mirror`: %s; it is not needed for reading" % e)
    for e in entries.values():
        if e.id in listed:
            visible.setdefault((e.device, e.seq), []).append(e)
    numbers = {(device, i): seq for (device, seq), ids in gone.items() for i in ids}
    numbers.update(((device, e.id), seq) for (device, seq), here in visible.items() for e in here)
    for (device, seq), here in sorted(visible.items()):
        who = "device " + device.hex()[:8]
        for e in here:
            before = numbers.get((device, e.prev)) if seq else -1
            if before is None:
                report.note("%s: the entry before its number %d is not on this mirror; look on others" % (who, seq))
            elif before >= seq:
                report.problem(who, Damaged("its entry number %d follows a later one" % seq))
        if len(here) > 1:
            report.problem(who, Damaged("two histories up to its entry number %d (a fork)" % seq))
        for mirror_id, s in [x for e in here for x in e.acked]:
            if mirror_id == me and (device, s) not in visible and (device, s) not in gone:
                report.problem(who, Damaged("its entry number %d was here and is gone (rolled back?)" % s))

# ---- packs and blobs (section 5) ----
class Packs:
    def __init__(self, mirror, keys, report):
        self.keys, self.report, self.boxes, self.index = keys, report, [], {}
        self.directories, self.blocks, self.kept = OrderedDict(), OrderedDict(), 0      # the ones used last
        kinds = {1: [], 2: []}
        for path in pack_paths(mirror, report):
            try:
                box = Box(path, (1, 2), keys)
                kinds[box.kind].append(box)
            except (Damaged, TooNew) as e:
                report.problem("packs/" + os.path.basename(path)[:16], e)
        for box in kinds[2] + kinds[1]:                         # tree packs first
            progress("%d packs" % len(self.boxes))
            try:
                ids = self.directory(len(self.boxes), box)[1]
            except (Damaged, TooNew) as e:
                report.problem("packs/" + os.path.basename(box.path)[:16], e)
                continue
            # 16 bytes for each blob in one of 65,536 buckets: 8 of its id, pack, place in its directory
            for i in range(len(ids) // 32):
                self.index.setdefault(ids[32 * i:32 * i + 2], bytearray()).extend(
                    ids[32 * i + 2:32 * i + 10] + struct.pack("<II", len(self.boxes), i))
            self.boxes.append(box)

    def directory(self, pack, box=None):
        """(blocks, ids, lens) of a pack; a block is (start, stored, raw, first blob, blobs, codec, type)."""
        if pack in self.directories:
            self.directories.move_to_end(pack)
            return self.directories[pack]
        box = box or self.boxes[pack]
        area, length, record = box.record()
        numbered(record, (1,), "directory")
        want(len(record) == 4 and all(isinstance(x, bytes) for x in record[1:]), "directory")
        rows, ids, lens = record[1:]
        want(length == 2 + sum(len(x) + (2 if len(x) < 256 else 3 if len(x) < 65536 else 5) for x in record[1:]),
             "directory: not in its shortest form")
        want(len(rows) % 16 == 0 and len(ids) % 32 == 0 and len(ids) // 32 * 3 == len(lens) and len(ids) <= 32 << 20,
             "directory")
        blocks, start, first = [], 0, 0
        for stored, raw, blobs, codec, kind, zero in struct.iter_unpack("<IIIBBH", rows):
            want(1 <= blobs <= 65536 and 0 < raw <= 4 * MIB and zero == 0 and
                 kind in ((1,) if box.kind == 1 else (2, 3)) and
                 (stored == raw if codec == 0 else codec == 1 and 0 < stored < raw), "directory: block")
            sizes = lens[3 * first:3 * (first + blobs)]
            sizes = [sizes[i] | sizes[i + 1] << 8 | sizes[i + 2] << 16 for i in range(0, len(sizes), 3)]
            want(len(sizes) == blobs and all(sizes) and sum(sizes) == raw, "directory: lengths")
            blocks.append((start, stored, raw, first, blobs, codec, kind))
            start, first = start + stored, first + blobs
        want(start == area and first == len(ids) // 32, "directory: sums")
        self.directories[pack], self.kept = (blocks, ids, lens), self.kept + len(ids)
        while self.kept > 32 * MIB and len(self.directories) > 1:
            self.kept -= len(self.directories.popitem(last=False)[1][1])
        return self.directories[pack]

    def block(self, pack, number, row):
        if (pack, number) not in self.blocks:
            try:
                start, stored, raw_len, _, _, codec, _ = row
                raw = self.boxes[pack].read(start, start + stored)
                raw = unzstd(raw, raw_len) if codec else raw
            except Damaged as e:
                self.report.problem("packs/%s block %d" % (os.path.basename(self.boxes[pack].path)[:16], number), e)
                raw = None
            if len(self.blocks) >= 12:
                self.blocks.popitem(last=False)
            self.blocks[pack, number] = raw
        self.blocks.move_to_end((pack, number))
        return self.blocks[pack, number]

    def blob(self, bid, kind, check=True):
        """A blob from any good copy. kind: 1 chunk, 2 tree, 3 list."""
        found, bucket = "is in no pack that can be read", self.index.get(bid[:2], b"")
        at = bucket.find(bid[2:10])
        while at >= 0:
            if at % 16 == 0:
                pack, place = struct.unpack_from("<II", bucket, at + 8)
                try:
                    blocks, ids, lens = self.directory(pack)
                except (Damaged, TooNew):                       # it could be read before
                    blocks, ids, lens = [(0, 0, 0, 0, place + 1, 0, 0)], b"", b""
                number = next(i for i, b in enumerate(blocks) if place < b[3] + b[4])
                row = blocks[number]
                if ids[32 * place:32 * place + 32] == bid and row[6] == kind:
                    raw, found = self.block(pack, number, row), "is in a damaged place"
                    if raw is not None:
                        part = lens[3 * row[3]:3 * place]
                        begin = sum(part[0::3]) + (sum(part[1::3]) << 8) + (sum(part[2::3]) << 16)
                        data = raw[begin:begin + int.from_bytes(lens[3 * place:3 * place + 3], "little")]
                        key = {1: "chunk id", 2: "tree id", 3: "list id"}[kind]
                        if not check or KH(self.keys.sub(key), data) == bid:
                            return data
                        where = "packs/%s blob %d" % (os.path.basename(self.boxes[pack].path)[:16], place)
                        self.report.problem(where, Damaged("is not what its id says"))
            at = bucket.find(bid[2:10], at + 1)
        what = {1: "a piece", 2: "its listing", 3: "its list of pieces"}[kind]
        raise Damaged("%s %s %s" % (what, bid.hex()[:16], found))

# ---- restoring (sections 7, 8, 11) ----
O_EXTRA = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
FATAL = (errno.ENOSPC, errno.EROFS, getattr(errno, "EDQUOT", errno.ENOSPC))
WINDOWS_NO = re.compile(rb'(?i)[\\:*?"<>|\x00-\x1f]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)')

def bad_node(v, last):
    """Why a node cannot be taken, or None. (7.3)"""
    def pair(x, high):
        return isinstance(x, list) and len(x) == 2 and all(is_int(i, 0, high) for i in x)
    if not isinstance(v, dict) or not isinstance(v.get("n"), bytes) or not is_int(v.get("t"), 1, 7):
        return "no node"
    name, kind = v["n"], v["t"]
    if not 1 <= len(name) <= 255 or b"/" in name or b"\0" in name or name in (b".", b".."):
        return "such a name may not be"
    if os.name == "nt" and WINDOWS_NO.search(name):
        return "such a name is not possible on Windows"
    if last is not None and name <= last:
        return "listed in the wrong order"
    for keys, high in (("m", 0o10000), ("ug", 2 ** 32), ("f", 10 ** 9), ("z", 2 ** 63), ("k", 4), ("d", 5), ("p", 256)):
        if not all(is_int(v.get(k, 0), 0, high) for k in keys):
            return "no node"
    if not is_int(v.get("s", 0), -2 ** 63, 2 ** 63) or not isinstance(v.get("x", []), list) or "i" in v and (
            kind == 2 or not pair(v["i"], 2 ** 64)):
        return "no node"
    if any((k in v) != (kind in kinds) for k, kinds in (("e", (2,)), ("l", (3,)), ("r", (4, 5)))) or kind != 1 and any(
            v.get(k) for k in "zkcdh"):
        return "a part is missing, or one too many is there"
    if kind == 2 and not is_id(v["e"]) or kind in (4, 5) and not pair(v["r"], 2 ** 32) or kind == 3 and not (
            isinstance(v["l"], bytes) and 0 < len(v["l"]) < 65536):
        return "a part is not as it must be"
    holes, end = v.get("h", []), -1
    if not isinstance(holes, list) or not all(pair(h, 2 ** 63) for h in holes):
        return "its holes are wrong"
    for start, length in holes:
        if start <= end or not length:
            return "its holes are wrong"
        end = start + length
    try:
        content, depth = v.get("c", b""), v.get("d", 0)
        want(isinstance(content, bytes) and len(content) <= 64 * 40 and (content or not depth), "content")
        parts(content, depth, v.get("z", 0) - sum(h[1] for h in holes))
    except Damaged:
        return "its lengths do not add up"
    return None if end <= v.get("z", 0) else "its holes are wrong"

def parts(content, depth, total):
    """(id, length) of each item; the lengths must add up to total. (section 8)"""
    size = 40 if depth else 36
    items = [content[i:i + size] for i in range(0, len(content), size)]
    lengths = [int.from_bytes(item[32:], "little") for item in items]
    want(len(content) % size == 0 and all(lengths) and sum(lengths) == total, "lengths do not agree")
    return [(item[:32], n) for item, n in zip(items, lengths)]

def create(make, path):
    """make(path) must not find anything there; if it does, a number is added. Returns its result and the path."""
    for extra in [b""] + [b"-%d" % i for i in range(2, 1000)]:
        try:
            return make(path + extra), path + extra
        except FileExistsError:
            pass
    raise OSError(errno.EEXIST, "no free name")

class Restore:
    def __init__(self, packs, report, check):
        self.packs, self.report, self.check = packs, report, check
        self.dirs, self.found, self.files, self.bytes = [], False, 0, 0

    def nodes(self, tree, path, level=0):
        """All nodes of a folder; what cannot be read is reported, the rest goes on. (7.1)"""
        try:
            value = unpack(self.packs.blob(tree, 2))
            inner = numbered(value, (1, 2), "its listing") == 2
            want(len(value) == (2 if inner else 4) and isinstance(value[-1], list) and len(value[-1]) <= 2048,
                 "its listing is no tree")
            want(not inner or level < 4, "its listing is too deep")
        except TooNew as e:
            return self.report.problem("folder " + show(path or b"/"), e)
        except Damaged as e:
            return self.report.lose(path + b"/", "%s of this folder: %s" % ("part" if level else "all", e))
        last = None
        for item in value[-1]:
            if inner:
                if isinstance(item, list) and len(item) == 3 and is_id(item[1]):
                    yield from self.nodes(item[1], path, level + 1)
                else:
                    self.report.lose(path + b"/", "part of this folder: a bad line in its listing")
                continue
            bad = bad_node(item, last)
            if bad:
                name = item.get("n") if isinstance(item, dict) else None
                self.report.lose(path + b"/" + (name if isinstance(name, bytes) else b"?"), "refused: " + bad)
                continue
            last = item["n"]
            if set(item) - set("ntmugszfkcdhelrixvwp"):
                self.report.note("entries of folders with keys that this program does not know")
            yield item

    def snapshot(self, entry, target, wanted):
        """wanted: list of names, the beginning of the paths to restore."""
        links, stack = {}, [(self.nodes(entry.tree, b""), b"", target)]
        while stack:
            nodes, path, real = stack[-1]
            v = next(nodes, None)
            if v is None:
                stack.pop()
                continue
            depth = len(stack) - 1
            if depth < len(wanted) and (v["n"] != wanted[depth] or depth + 1 < len(wanted) and v["t"] != 2):
                continue
            self.found = self.found or depth + 1 >= len(wanted)
            here = path + b"/" + v["n"]
            try:
                want(len(stack) <= 4096, "path too deep")
                made = self.put(v, here, os.path.join(real, v["n"]), links)
                if made:
                    stack.append((self.nodes(v["e"], here), here, made))
            except OSError as e:
                if e.errno in FATAL:
                    raise Quit(1, "stopped at %s: %s" % (show(here), e.strerror))
                self.report.lose(here, "cannot be written: %s" % e.strerror)
            except (Damaged, ValueError, OverflowError, NotImplementedError) as e:
                self.report.lose(here, "%s" % e)
            progress("%d files, %d MiB" % (self.files, self.bytes >> 20))

    def put(self, v, here, path, links):
        """Create one node. Returns the path of a new folder."""
        kind = v["t"]
        if kind == 2:
            _, path = create(lambda p: os.mkdir(p, 0o700), path)
            self.dirs.append((path, v))
            return path
        self.files += 1
        if v.get("p", 0) & 3:
            self.report.note("changed while it was read, or partly unreadable, when it was saved: " + show(here))
        key, gaps = tuple(v.get("i", ())), None
        if key in links:
            first, gaps = links[key]
            try:
                create(lambda p: os.link(first, p, follow_symlinks=False), path + (b".incomplete" if gaps else b""))
                if gaps:
                    self.report.lose(here, gaps)
                return None
            except (OSError, NotImplementedError) as e:
                if getattr(e, "errno", 0) in FATAL:
                    raise
                self.report.note("hard links became copies")
        if kind == 1:
            path, gaps = self.put_file(v, here, path)
        elif kind == 3:
            _, path = create(lambda p: os.symlink(v["l"], p), path)
        elif kind == 6 and hasattr(os, "mkfifo"):
            _, path = create(lambda p: os.mkfifo(p, 0o600), path)
        elif kind in (4, 5) and hasattr(os, "mknod") and os.geteuid() == 0:
            device, bits = os.makedev(*v["r"]), stat.S_IFCHR if kind == 4 else stat.S_IFBLK
            _, path = create(lambda p: os.mknod(p, 0o600 | bits, device), path)
        else:
            return self.report.note("devices and pipes are not restored here")
        self.finish(v, here, path)
        if key:
            links[key] = path, gaps
        return None

    def items(self, some, depth):
        """(chunk id or None if lost, length) in order; a lost list is one gap. (section 8)"""
        for cid, n in some:
            inner = [(None if depth else cid, n)]
            if depth:
                try:
                    value = unpack(self.packs.blob(cid, 3))
                    numbered(value, (3,), "list")
                    want(len(value) == 3 and is_int(value[1], depth - 1, depth) and isinstance(value[2], bytes) and
                         len(value[2]) <= 4096 * 40, "no list")
                    inner = self.items(parts(value[2], depth - 1, n), depth - 1)
                except TooNew as e:
                    self.report.problem("list " + cid.hex()[:16], e)
                except Damaged:
                    pass
            yield from inner

    def chunk(self, cid, length):
        """Its bytes, or None."""
        try:
            want(cid, "its list is lost")
            data = self.packs.blob(cid, 1, self.check)
            return data if len(data) == length else None
        except Damaged:
            return None

    def put_file(self, v, here, path):
        """Returns its path, and what is missing as text, or None."""
        depth, size, holes, pos, gaps = v.get("d", 0), v.get("z", 0), [h for h in v.get("h", [])], 0, []
        fd, path = create(lambda p: os.open(p, os.O_CREAT | os.O_EXCL | os.O_WRONLY | O_EXTRA, 0o600), path)
        with os.fdopen(fd, "wb") as f:
            try:
                f.truncate(size)
            except (OSError, OverflowError):
                os.unlink(path)
                raise
            for cid, length in self.items(parts(v.get("c", b""), depth, size - sum(h[1] for h in holes)), depth):
                data, done = self.chunk(cid, length), 0
                while done < length:                            # around the holes
                    while holes and holes[0][0] == pos:
                        pos += holes.pop(0)[1]
                    n = min(length - done, holes[0][0] - pos if holes else length)
                    if data is not None:
                        f.seek(pos)
                        f.write(data[done:done + n])
                        self.bytes += n
                    elif gaps and gaps[-1][1] == pos:
                        gaps[-1][1] += n
                    else:
                        gaps.append([pos, pos + n])
                    pos, done = pos + n, done + n
        if not gaps:
            return path, None
        def rename(p):
            if os.path.lexists(p):
                raise FileExistsError()
            os.rename(path, p)
        short = os.path.join(os.path.dirname(path), os.path.basename(path)[:230]) + b".incomplete"
        text = "incomplete, zeros at " + ", ".join("%d-%d" % (a, b) for a, b in gaps)
        self.report.lose(here, text)
        return create(rename, short)[1], text

    def finish(self, v, here, path):
        """Owner, attributes, mode, times; never through a symbolic link."""
        link, fd = v["t"] == 3, None
        if os.name == "posix" and v["t"] in (1, 2):
            fd = os.open(path, os.O_RDONLY | O_EXTRA | (os.O_DIRECTORY if v["t"] == 2 else 0))
        target, mode = path if fd is None else fd, v.get("m", 0)
        try:
            if hasattr(os, "geteuid"):
                if os.geteuid() == 0:
                    self.quietly("owner", os.lchown, path, v.get("u", 0), v.get("g", 0))
                elif v.get("u", 0) != os.geteuid():
                    mode &= 0o1777                          # no set-uid for another owner
            for name, value in self.attributes(v, here):
                if hasattr(os, "setxattr"):
                    keep = {} if fd is not None else {"follow_symlinks": False}
                    self.quietly("attribute " + show(name), os.setxattr, target, name, value, **keep)
                else:
                    self.report.note("attributes cannot be set here")
            if not link and os.name == "posix":
                self.quietly("mode", os.chmod, target, mode)
            ns = v.get("s", 0) * 10 ** 9 + v.get("f", 0)
            keep = {"follow_symlinks": False} if fd is None and os.utime in os.supports_follow_symlinks else {}
            if keep or not link:
                self.quietly("time", os.utime, target, ns=(ns, ns), **keep)
        finally:
            if fd is not None:
                os.close(fd)

    def quietly(self, what, function, *args, **more):
        try:
            function(*args, **more)
        except (OSError, OverflowError, ValueError, NotImplementedError) as e:
            self.report.note("%s could not be set: %s" % (what, getattr(e, "strerror", None) or e))

    def attributes(self, v, here):
        for x in v.get("x", []):
            try:
                want(isinstance(x, list) and len(x) == 2 and isinstance(x[0], bytes) and b"\0" not in x[0],
                     "bad attribute")
                value = x[1]
                if isinstance(value, list):
                    want(all(is_id(i) for i in value), "bad attribute")
                    value = b"".join(self.packs.blob(i, 1, self.check) for i in value[:65536])
                want(isinstance(value, bytes) and len(value) <= 65536, "bad attribute")
                yield x[0], value
            except Damaged as e:
                self.report.lose(here, "an attribute of it: %s" % e)

    def finish_folders(self):
        for path, v in reversed(self.dirs):                 # the deepest first
            self.quietly("folder", self.finish, v, path, path)

# ---- the command ----
def choose(snapshots, wanted, report):
    if wanted:
        match = [e for e in snapshots if e.id.hex().startswith(wanted.lower())]
        if len(match) != 1:
            raise Quit(1, "%s snapshot has an id that begins with %s" % ("more than one" if match else "no",
                                                                         show(wanted)))
        return match
    sources, chosen = OrderedDict(), []
    for e in snapshots:                                         # oldest first
        if e.state == "visible":
            sources.setdefault((e.source, e.host), []).append(e)
    for some in sources.values():
        on_time = [e for e in some if e.time[0] <= time.time() + 86400] or some
        chosen.append(([e for e in on_time if not e.suspect] or [e for e in some if not e.suspect] or on_time)[-1])
        if some[-1] not in on_time:
            report.note("snapshot %s of %s is from the future and was passed over; --snapshot takes it" % (
                some[-1].id.hex()[:8], show(some[-1].source)))
        elif some[-1].suspect:
            report.note("snapshot %s is the newest of %s, but suspect: %s" % (
                some[-1].id.hex()[:8], show(some[-1].source), show(some[-1].suspect)))
    if not chosen:
        raise Quit(1, "no finished snapshot that is not removed; --list shows what there is, --snapshot ID takes it")
    return chosen

def run(args):
    report, mirror = Report(), args.mirror
    if not any(os.path.isdir(os.path.join(mirror, x)) for x in ("packs", "keys", "keys2", "entries", "commits")):
        raise Quit(10, "there is no heirloom backup in this folder")
    target = None
    if args.to:
        target, inside = os.path.realpath(args.to), os.path.realpath(mirror)
        if os.path.join(target, "").startswith(os.path.join(inside, "")):
            raise Quit(2, "the folder of the backup must not be changed: choose another place for --to")
        if os.path.lexists(target) and (not os.path.isdir(target) or os.listdir(target)):
            raise Quit(2, "%s is not an empty folder" % show(args.to))
    keys = unlock(args, report)
    entries = read_entries(mirror, keys, report)
    snapshots, earliest = [e for e in entries.values() if e.word == "snapshot"], {}
    for e in sorted(snapshots, key=lambda e: -e.seq):           # no step of a chain is later than those after it
        e.date = min(e.time, earliest.get(e.device, e.time))
        if e.state == "visible":
            earliest[e.device] = e.date
    snapshots.sort(key=lambda e: (e.date, e.seq, e.id))
    if args.list:
        for state, title in (("visible", None), ("removed", "REMOVED, may be incomplete:"),
                             ("unfinished", "NEVER FINISHED, or the record that says so is lost; may be incomplete:")):
            some = [e for e in snapshots if e.state == state]
            if some and title:
                say("\n" + title)
            for e in some:
                say(e.line())
        return report.finish()
    chosen = choose(snapshots, args.snapshot, report)
    wanted = os.fsencode(args.path or "")
    wanted = wanted.replace(b"\\", b"/") if os.name == "nt" else wanted
    wanted = [x for x in wanted.split(b"/") if x not in (b"", b".")]
    if not os.path.isdir(target):
        os.makedirs(target, 0o700)
    packs = Packs(mirror, keys, report)
    restore = Restore(packs, report, args.check or FAST_BLAKE3)
    for e in chosen:
        say("snapshot " + e.line())
        if e.state != "visible":
            report.note("snapshot %s is %s; pieces may be missing" % (e.id.hex()[:8], e.state))
        place = os.fsencode(target)
        if len(chosen) > 1:                                     # a folder for each source
            name = re.sub(r"[^\w.-]", "_", e.source + "-" + e.host).strip(". ") or "source"
            place = os.path.join(place, name.encode("utf-8", "replace")[:200])
            _, place = create(lambda p: os.mkdir(p, 0o700), place)
            say("  into " + show(place))
        restore.snapshot(e, place, wanted)
    restore.finish_folders()
    say("%d files, %d bytes restored into %s" % (restore.files, restore.bytes, show(args.to)))
    code = report.finish()
    if wanted and not restore.found:
        say("rescue.py: %s was not found in what can be read of these snapshots" % show(args.path), sys.stderr)
        return code or 1
    return code

def main(argv=None):
    parser = argparse.ArgumentParser(description="Restores files from a heirloom backup.", epilog="See FORMAT.txt.")
    add = parser.add_argument
    add("mirror", metavar="MIRROR", help="folder of the backup")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--list", action="store_true", help="show the snapshots")
    what.add_argument("--to", metavar="DIR", help="restore into this folder (new or empty)")
    add("--snapshot", metavar="ID", help="beginning of the id of a snapshot; default: the newest of each source")
    add("--path", metavar="P", help="only what is below this path")
    secret = parser.add_mutually_exclusive_group()
    secret.add_argument("--key-file", metavar="F", help="a file with heirloom-key-1:...")
    secret.add_argument("--passphrase", action="store_true", help="ask for the passphrase, not for the twelve words")
    add("--check", action="store_true", help="compare every piece with its id")
    try:
        return run(parser.parse_args(argv))
    except Quit as q:
        say("rescue.py: %s" % q.args[1], sys.stderr)
        return q.args[0]
    except KeyboardInterrupt:
        say("\nrescue.py: interrupted", sys.stderr)
    except (OSError, EOFError, UnicodeError) as e:
        say("rescue.py: %s" % e, sys.stderr)
    return 1

if __name__ == "__main__":
    sys.exit(main())
