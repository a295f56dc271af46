"""How the page looks: its style, in light and in dark, on a phone, on a desk and on paper. It loads nothing."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

_LIGHT = """
--bg:#f8f7f4;--card:#fff;--fg:#1d2127;--soft:#575f6a;--line:#dfdcd5;--link:#1f55a5;--code:#f3f1ec;
--pass:#1b6e43;--pass-bg:#e0f2e7;--info:#1d5c83;--info-bg:#e0eff8;--warn:#7a5005;--warn-bg:#faefd2;
--skip:#4b5866;--skip-bg:#e8ecf0;--not_run:#564b8c;--not_run-bg:#ebe9f7;--fail:#a32217;--fail-bg:#fbe5e2;
--error:#8a2767;--error-bg:#f8e3f0;--timeout:#8f4306;--timeout-bg:#fde7d4;--crash:#fff;--crash-bg:#8b1a22;--crash-ink:#8b1a22;
--none:#4b5866;--none-bg:#e8ecf0;
"""
_DARK = """
--bg:#14171b;--card:#1b1f25;--fg:#e6e8eb;--soft:#a4adb8;--line:#2f353d;--link:#8ab4f8;--code:#15181d;
--pass:#7fd6a2;--pass-bg:#17301f;--info:#85c5ec;--info-bg:#132b3a;--warn:#ecc16b;--warn-bg:#33290f;
--skip:#b3bec9;--skip-bg:#272d35;--not_run:#bdb2f0;--not_run-bg:#262140;--fail:#ff9c8f;--fail-bg:#3d1b18;
--error:#f0a3d5;--error-bg:#381b30;--timeout:#ffb27a;--timeout-bg:#39220f;--crash:#ffe3e0;--crash-bg:#8b1f25;--crash-ink:#d65a62;
--none:#b3bec9;--none-bg:#272d35;
"""
_VERDICTS = ("pass", "info", "warn", "skip", "not_run", "fail", "error", "timeout", "none")

_COMMON = """
*{box-sizing:border-box}
html{font:16px/1.55 ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;color:var(--fg);
background:var(--bg);-webkit-text-size-adjust:100%;scroll-padding-top:1rem}
body{max-width:72rem;margin:0 auto;padding:0 1.25rem 4rem}
h1{font-size:1.75rem;line-height:1.2;letter-spacing:-.015em;margin:0;font-weight:650;overflow-wrap:anywhere}
h2{font-size:1.2rem;letter-spacing:-.01em;margin:3rem 0 .9rem;font-weight:650}
h3{font-size:1rem;margin:0;font-weight:600;overflow-wrap:anywhere;display:inline}
p{margin:.5rem 0;max-width:46rem}
a{color:var(--link);text-decoration-thickness:1px;text-underline-offset:.18em}
:focus-visible{outline:2px solid var(--link);outline-offset:2px;border-radius:3px}
:target{box-shadow:0 0 0 2px var(--link)}
code,pre,.k,.h{font-family:ui-monospace,"SF Mono","Cascadia Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
code{font-size:.86em;background:var(--code);border:1px solid var(--line);border-radius:4px;padding:.05em .35em;
overflow-wrap:anywhere}
pre{font-size:.8rem;line-height:1.5;background:var(--code);border:1px solid var(--line);border-radius:6px;
padding:.7rem .9rem;margin:.6rem 0;max-height:28rem;overflow:auto;white-space:pre-wrap;overflow-wrap:anywhere}
table{border-collapse:collapse;font-size:.86rem;font-variant-numeric:tabular-nums}
th{font-weight:500;color:var(--soft);text-align:left;white-space:nowrap}
th,td{padding:.3rem 1.2rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}
td{overflow-wrap:anywhere}td.r,th.r{text-align:right;white-space:nowrap}
header{padding:2.5rem 0 0}header>p{color:var(--soft);margin:.35rem 0 0}
.skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:.25rem;z-index:1;
background:var(--card);padding:.4rem .8rem}
nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1.3rem;list-style:none;margin:1.3rem 0 0;padding:.7rem 0 0;
border-top:1px solid var(--line);font-size:.92rem}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(11rem,1fr));gap:.7rem 1.5rem;margin:1.4rem 0 0}
.facts div{min-width:0}dt{font-size:.78rem;color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
.tiles{display:flex;flex-wrap:wrap;gap:.6rem;list-style:none;margin:1.5rem 0 .9rem;padding:0}
.tiles li{border-radius:8px;padding:.5rem .95rem .45rem;min-width:5.2rem}
.tiles b{display:block;font-size:1.5rem;line-height:1.2;font-weight:650;font-variant-numeric:tabular-nums}
.tiles span{font-size:.82rem}
.bar{display:block;width:100%;height:10px;border-radius:5px;overflow:hidden}
.v{display:inline-block;font-size:.74rem;font-weight:600;line-height:1.5;padding:0 .5em;border-radius:4px;
min-width:5.3em;text-align:center;white-space:nowrap}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.85rem 1.1rem;margin:.7rem 0}
.card .v{margin-right:.6rem}
.m{color:var(--soft);font-size:.86rem;margin:.35rem 0}.m,td,li{font-variant-numeric:tabular-nums}
.parts,.files{list-style:none;margin:.6rem 0;padding:0;font-size:.88rem}.parts li{padding:.12rem 0;
overflow-wrap:anywhere}
.w{white-space:pre-line}.tree .body ul{border:0;margin-left:0;padding-left:0}
.files li{display:inline-block;margin:0 1.1rem .1rem 0;overflow-wrap:anywhere}
.tree,.tree ul{list-style:none;margin:0;padding:0}.tree ul{padding-left:1.15rem;border-left:1px solid var(--line);
margin-left:.3rem}
.tree li{font-size:.92rem}
.tree .row,.tree summary{display:flex;align-items:baseline;gap:.65rem;padding:.16rem .3rem;border-radius:4px}
.tree .row{padding-left:1.25rem}.tree summary{cursor:pointer;list-style:none}
.tree summary::-webkit-details-marker{display:none}
.tree summary::before{content:"";flex:none;align-self:center;border:.26rem solid transparent;
border-left-color:var(--soft);
margin-right:-.25rem;width:0}
.tree details[open]>summary::before{transform:rotate(90deg)}
.tree summary:hover,.tree .row:hover{background:var(--code)}
.n{flex:1;min-width:0;overflow-wrap:anywhere}.h{color:var(--soft);font-size:.78rem;letter-spacing:.08em}
.s{color:var(--soft);font-size:.86rem;min-width:4.2rem;text-align:right;white-space:nowrap}
.body{padding:.1rem .3rem .6rem 1.25rem}
.wide{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.9rem;
margin:.7rem 0}
.wide table{min-width:44rem}.wide td{overflow-wrap:normal}.wide td:first-child{overflow-wrap:anywhere;min-width:5rem}
.wide tr:last-child td{border-bottom:0}
svg{display:block}svg text{font:11px ui-sans-serif,system-ui,sans-serif;fill:var(--soft)}svg a text{fill:var(--fg)}
.time{width:100%;min-width:44rem}.spark{display:inline-block;vertical-align:middle;height:20px}
.grid{stroke:var(--line);stroke-width:1}.lane{fill:var(--code)}.gap{fill:var(--warn-bg);stroke:var(--warn);
stroke-dasharray:3 2}
.edge{fill:none;stroke:var(--soft);stroke-opacity:.45}.after{stroke-dasharray:3 3}.node{stroke-width:1}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1rem;list-style:none;padding:0;margin:.6rem 0 0;font-size:.82rem;
color:var(--soft)}
.swatch{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.4em;vertical-align:-.06em}
footer{margin-top:4rem;padding-top:1rem;border-top:1px solid var(--line);color:var(--soft);font-size:.86rem}
@media(max-width:36rem){.facts{grid-template-columns:repeat(auto-fill,minmax(8.5rem,1fr))}
body{padding:0 .9rem 3rem}header{padding-top:1.5rem}h1{font-size:1.4rem}.tree .h{display:none}
.tree ul{padding-left:.7rem}.tiles li{flex:1 1 4.6rem;padding:.4rem .7rem}.card{padding:.7rem .8rem}
th,td{padding-right:.8rem}}
@media print{html{font-size:11px;background:#fff}body{max-width:none;padding:0}nav,.skip{display:none}
pre{max-height:none}.card,.wide,tr{break-inside:avoid}h2,h2+p{break-after:avoid}.wide{overflow:visible}
.time{min-width:0}details::details-content{content-visibility:visible;block-size:auto}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
"""


def _rules() -> str:
    rules = [
        f".v-{one},.t-{one}{{color:var(--{one});background:var(--{one}-bg)}}.f-{one}{{fill:var(--{one})}}"
        f".n-{one}{{fill:var(--{one}-bg);stroke:var(--{one})}}.sw-{one}{{background:var(--{one})}}"
        for one in _VERDICTS
    ]
    # A crash is the one verdict whose words are lighter than what they stand on.
    rules.append(
        ".v-crash,.t-crash{color:var(--crash);background:var(--crash-bg)}.f-crash{fill:var(--crash-ink)}"
        ".n-crash{fill:var(--fail-bg);stroke:var(--crash-ink);stroke-width:2}.sw-crash{background:var(--crash-ink)}"
    )
    return "".join(rules)


STYLE = "".join(
    f":root{{color-scheme:light dark;{_LIGHT}}}@media(prefers-color-scheme:dark){{:root{{{_DARK}}}}}"
    "@media print{:root{" + _LIGHT + "}}" + _COMMON + _rules()
).replace("\n", "")

#: What the page may do: show itself in this one style, and nothing else.
POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'"
)
