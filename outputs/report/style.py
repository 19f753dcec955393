"""How the page looks: the reader's own font, light or dark as their system is, on paper as well as on a phone."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--text:#1a1f25;--soft:#59636e;--back:#f4f6f8;--card:#fff;--line:#e3e7eb;--edge:#1a1f2540;
--tone:#0072b2;--band:#9cc9e6;--dropped:#e69f00;--lost:#d55e00;--away:#d55e0029;--whole:#009e73;--good:#00704f;--bad:#b34700}
@media (prefers-color-scheme:dark){:root{--text:#e8ebee;--soft:#9aa5b0;--back:#121518;--card:#1b1f23;--line:#2e343a;
--edge:#ffffff38;--tone:#56b4e9;--band:#2b5a78;--good:#4fd0a5;--bad:#ff9a5c}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
header,main{max-width:1180px;margin:0 auto;padding:0 24px}
header{padding-top:32px}
main{padding-bottom:48px}
.brand{margin:0;color:var(--soft);font-size:.85rem}
h1{font-size:1.9rem;line-height:1.2;margin:2px 0 8px;overflow-wrap:anywhere}
h2{font-size:1.2rem;margin:0 0 4px}
h3{font-size:.95rem;margin:20px 0 6px}
.state{display:inline-block;margin:0;font-weight:600;font-size:.9rem;overflow-wrap:anywhere}
.state::before{content:"";display:inline-block;width:.65em;height:.65em;border-radius:50%;margin-right:.5em;
background:currentColor}
.done{color:var(--good)}.stopped{color:var(--dropped)}.failed{color:var(--bad)}
@media (prefers-color-scheme:light){.stopped{color:#8a5a00}}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(168px,1fr));gap:12px;margin:20px 0 0}
.tile{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:12px 16px;min-width:0}
.tile span{display:block;color:var(--soft);font-size:.82rem}
.tile b{display:block;font-size:1.55rem;font-weight:650;line-height:1.25;font-variant-numeric:tabular-nums}
.tile small,.lead,.note,figcaption small,.row small{color:var(--soft)}
.tile small{display:block;font-size:.8rem;line-height:1.35}
.tile i{font-style:normal;display:inline-block}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:20px 24px 22px;margin:18px 0 0}
.lead{margin:0 0 14px;max-width:90ch}
.sheet{display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:18px 16px}
.sheet.upright{grid-template-columns:repeat(auto-fill,minmax(170px,1fr))}
figure{margin:0;min-width:0}
figure img{display:block;width:100%;height:auto;border-radius:8px;background:var(--line)}
figcaption{margin-top:6px;font-size:.86rem;line-height:1.4;overflow-wrap:anywhere}
figcaption b,figcaption span,figcaption small{display:block}
figcaption b{font-variant-numeric:tabular-nums}
figcaption small{font-size:.8rem}
svg{display:block;width:100%;height:100%;overflow:visible}
.grid{fill:none;stroke:var(--line);stroke-width:1;vector-effect:non-scaling-stroke}
.line{fill:none;stroke:var(--tone);stroke-width:2;stroke-linejoin:round;vector-effect:non-scaling-stroke}
.band{fill:var(--band)}.tone{fill:var(--tone)}.whole{fill:var(--whole)}.pale{opacity:.4}
rect.dropped{fill:var(--dropped)}rect.lost{fill:var(--lost)}.away{fill:var(--away)}
.fill,.layer{stroke:var(--edge);stroke-width:1;vector-effect:non-scaling-stroke;stroke-linejoin:round}
.tip{fill:transparent}
.tip:hover{fill:var(--edge)}
.plot{display:grid;grid-template-columns:3.6em minmax(0,1fr);font-size:.8rem;color:var(--soft)}
.plot .axis{grid-column:1/-1;margin:0 0 10px}
.plot .draw{height:210px;position:relative}
.low .plot .draw{height:90px}
.y{position:relative}
.y span{position:absolute;right:8px;transform:translateY(50%);white-space:nowrap}
.x{position:relative;height:3em;font-size:.8rem;color:var(--soft);grid-column:2}
.x span{position:absolute;top:5px;transform:translateX(-50%);white-space:nowrap}
.x .first{transform:none}.x .last{transform:translateX(-100%)}
.x em{position:absolute;right:0;top:1.7em;font-style:normal}
.row{display:grid;grid-template-columns:minmax(7em,11em) minmax(0,1fr) minmax(6em,auto);gap:0 14px;align-items:center}
.rows{display:grid;gap:6px}
.rows .note{width:9em}
.waterfall .note{width:18em}
.row .draw{height:38px}
.row .name{font-weight:600;overflow-wrap:anywhere;line-height:1.25}
.row .name small{display:block;font-weight:400}
.row .note{font-size:.82rem;font-variant-numeric:tabular-nums}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;list-style:none;padding:0;margin:6px 0 0;font-size:.85rem}
.legend i{display:inline-block;width:.95em;height:.95em;border-radius:3px;margin-right:.45em;vertical-align:-.1em;
border:1px solid var(--edge)}
.wide{overflow-x:auto;margin-top:14px}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}
th,td{padding:5px 26px 5px 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
thead th{color:var(--soft);font-weight:500;white-space:nowrap}
tbody th{font-weight:600}
.run td:nth-child(5){overflow-wrap:anywhere;min-width:14em}
.number{text-align:right;white-space:nowrap}
dl{display:grid;grid-template-columns:minmax(6em,max-content) minmax(0,1fr);gap:4px 22px;margin:0}
dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
ul{margin:8px 0 0;padding-left:20px}
li{overflow-wrap:anywhere}
@media (max-width:640px){
header,main{padding-left:12px;padding-right:12px}
h1{font-size:1.5rem}
section{padding:16px 14px 18px}
.tiles{grid-template-columns:1fr 1fr}
.tile b{font-size:1.3rem}
.row{grid-template-columns:minmax(0,1fr) auto}
.row .draw,.row .x{grid-column:1/-1;grid-row:2}
.rows .note,.waterfall .note{width:auto;text-align:right}
.row .draw{margin-top:2px}
.row.foot .name,.row.foot .note{display:none}
.sheet,.sheet.upright{grid-template-columns:1fr 1fr;gap:14px 10px}
figcaption{font-size:.8rem}
th,td{padding-right:14px}
thead th{white-space:normal;vertical-align:bottom}
dl{grid-template-columns:minmax(0,1fr)}
dd{margin-bottom:6px}
}
@media print{
:root{--back:#fff;--line:#d5dae0}
html,body{font-size:12px}
header,main{max-width:none;padding:0}
section,.tile{border-color:#ccc}
section{padding:12px 14px;margin-top:10px}
figure,.row,.plot,.tile,tr{break-inside:avoid}
h2,h3{break-after:avoid}
.sheet{grid-template-columns:repeat(3,1fr)}
.wide{overflow:visible}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}
"""
