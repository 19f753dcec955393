"""How the report looks: the reader's own font, light or dark as their system is, room for wide tables."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--text:#1b1f24;--soft:#5b6570;--back:#f6f7f9;--card:#fff;--line:#dfe3e8;--tone:#0072b2}
@media (prefers-color-scheme:dark){
:root{--text:#e6e9ec;--soft:#9aa4ae;--back:#14171a;--card:#1d2125;--line:#343a40;--tone:#56b4e9}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--text);font:15px/1.5 system-ui,sans-serif}
header,main{max-width:1240px;margin:0 auto;padding:0 24px}
header{padding-top:28px}
h1{font-size:1.6rem;margin:0 0 4px;overflow-wrap:anywhere}
header p{color:var(--soft);margin:0 0 12px}
nav a{margin-right:16px;color:var(--tone)}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:4px 24px 24px;margin:20px 0}
h2{font-size:1.25rem;margin:18px 0 8px}
h3{font-size:1rem;margin:26px 0 8px}
h4{font-size:.9rem;font-weight:600;color:var(--soft);margin:14px 0 4px}
.main{font-size:1.05rem;color:var(--tone);margin:0 0 14px}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:4px 14px 4px 0;border-bottom:1px solid var(--line);text-align:left;white-space:nowrap}
th{font-weight:600}
tbody th{font-weight:400}
.numbers td,.numbers thead th:not(:first-child){text-align:right;padding:4px 6px 4px 12px}
.numbers tbody tr:hover{background:color-mix(in srgb,var(--tone) 8%,transparent)}
.count{color:var(--soft)}
.confusion th,.confusion td{padding:5px 10px;border:1px solid var(--line);text-align:right;min-width:4.5em}
.confusion tbody th,.confusion thead th:first-child{text-align:left;color:var(--soft)}
.heat{background:color-mix(in srgb,#0072b2 var(--heat),var(--card))}
.light{color:#fff}
figure{margin:0}
.curve{max-width:100%;height:auto}
.curve text{font:12px system-ui,sans-serif;fill:var(--soft)}
.curve .grid{stroke:var(--line)}
.curve .frame{fill:none;stroke:var(--soft)}
.legend{list-style:none;padding:0;margin:6px 0 0}
.scenes{display:grid;gap:16px;margin-top:12px}
.beside{display:flex;flex-wrap:wrap;gap:0 48px}
.beside>div{max-width:100%}
.scenes img{width:100%;border-radius:6px;display:block}
figcaption{color:var(--soft);font-size:.85rem;margin-top:4px;overflow-wrap:anywhere}
details{margin-top:18px}
summary{cursor:pointer;font-weight:600}
dt{font-weight:600;margin-top:8px}
dd{margin:0;color:var(--soft);max-width:80ch}
ul{padding-left:20px;color:var(--soft)}
"""
