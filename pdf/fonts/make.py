"""Makes the fonts beside it from Debian's fonts-noto-core and fonts-noto-cjk; README.md has the versions."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
NOTO = Path("/usr/share/fonts/truetype/noto")
CJK = Path("/usr/share/fonts/opentype/noto")

LATIN = (
    "U+0020-007E,U+00A0-02FF,U+0300-036F,U+0370-03FF,U+0400-052F,U+1E00-1FFF,U+2000-206F,U+2070-209F,U+20A0-20C0,"
    "U+2100-214F,U+2190-2193,U+2212,U+FB00-FB06,U+FFFD"
)
ARABIC = "U+0020-007E,U+00A0,U+0600-06FF,U+0750-077F,U+08A0-08FF,U+200C-200F,U+25CC,U+FB50-FDFF,U+FE70-FEFF"
DEVANAGARI = "U+0020-007E,U+00A0,U+0900-097F,U+1CD0-1CFF,U+200C,U+200D,U+20B9,U+25CC,U+A8E0-A8FF"


def of_codec(codec, rows, cells, first=0x2E80):
    """The characters of a codec with two bytes, from this one on."""
    for row in rows:
        for cell in cells:
            char = bytes((row, cell)).decode(codec, "ignore")
            if len(char) == 1 and ord(char) >= first:
                yield ord(char)


def listed(numbers):
    return ",".join(f"U+{number:04X}" for number in sorted(numbers))


EUC = range(0xA1, 0xFF)
KANA = {*range(0x3000, 0x3100), *range(0x31F0, 0x3200), *range(0xFF01, 0xFFA0), *range(0xFFE0, 0xFFE7), 0x2225, 0x203B}
JIS_1 = set(of_codec("euc_jp", range(0xB0, 0xD0), EUC))
JIS = set(of_codec("euc_jp", EUC, EUC))
CP932 = set(of_codec("cp932", [0x87, *range(0xFA, 0xFD)], range(0x40, 0xFD), first=0x2460))
GB2312 = set(of_codec("gb2312", EUC, EUC))
BIG5_1 = set(of_codec("big5", range(0xA4, 0xC7), [*range(0x40, 0x7F), *range(0xA1, 0xFF)]))
HANGUL = set(of_codec("euc_kr", range(0xB0, 0xC9), EUC))

FONTS = {
    "NotoSans-Regular": (NOTO / "NotoSans-Regular.ttf", LATIN, "*"),
    "NotoSans-Bold": (NOTO / "NotoSans-Bold.ttf", LATIN, "*"),
    "NotoSansArabic-Regular": (NOTO / "NotoSansArabic-Regular.ttf", ARABIC, "*"),
    "NotoSansArabic-Bold": (NOTO / "NotoSansArabic-Bold.ttf", ARABIC, "*"),
    "NotoSansDevanagari-Regular": (NOTO / "NotoSansDevanagari-Regular.ttf", DEVANAGARI, "*"),
    "NotoSansDevanagari-Bold": (NOTO / "NotoSansDevanagari-Bold.ttf", DEVANAGARI, "*"),
    "NotoSansCJK-Regular": (CJK / "NotoSansCJK-Regular.ttc", listed(KANA | JIS | CP932 | GB2312 | BIG5_1 | HANGUL), ""),
    "NotoSansCJK-Bold": (CJK / "NotoSansCJK-Bold.ttc", listed(KANA | JIS_1), ""),
}

for name, (source, unicodes, features) in FONTS.items():
    made = HERE / f"{name}{'.otf' if source.suffix == '.ttc' else '.ttf'}"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "fontTools.subset",
            str(source),
            "--font-number=0",
            f"--unicodes={unicodes}",
            f"--layout-features={features}",
            "--no-hinting",
            "--no-recalc-timestamp",
            "--notdef-outline",
            "--name-IDs=0,1,2,3,4,5,6,13,14,16,17",
            f"--output-file={made}",
        ],
        check=True,
    )
    print(made.name, made.stat().st_size)
