/** The page's style sheet: one column on a phone, up to three beside each other on a wide screen; light or dark as the reader has it. */
import { colourStyle } from './palette.js';

export const style = `${colourStyle()}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;-webkit-text-size-adjust:100%}
main{max-width:1280px;margin:0 auto;padding:32px 24px 64px}
h1{font-size:28px;line-height:1.2;font-weight:650;letter-spacing:-.015em;margin:2px 0 6px;overflow-wrap:anywhere}
h2{font-size:19px;font-weight:650;letter-spacing:-.005em;margin:0 0 4px}
h3{font-size:14px;font-weight:600;margin:0;overflow-wrap:anywhere}
p{margin:0 0 8px;max-width:76ch}
.kicker{font-size:12px;letter-spacing:.06em;text-transform:uppercase;color:var(--muted);margin:0}
.muted{color:var(--muted)}
section{margin-top:44px}
.note{border-left:3px solid var(--warning);padding:2px 0 2px 12px;margin:8px 0;overflow-wrap:anywhere}
.grid{display:grid;gap:16px;grid-template-columns:repeat(auto-fill,minmax(min(100%,360px),1fr));margin-top:16px}
.cards{grid-template-columns:repeat(auto-fit,minmax(min(100%,360px),1fr))}
.card,figure{background:var(--card);border:1px solid var(--line);border-radius:10px;margin:0;min-width:0}
.card{padding:16px 18px}
.card h3{display:flex;gap:8px;align-items:baseline}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(100px,1fr));gap:12px;margin:12px 0 0}
.tiles div{min-width:0}
dt{font-size:12px;color:var(--muted)}
dd{margin:0;font-size:20px;font-weight:600;letter-spacing:-.01em;font-variant-numeric:tabular-nums;white-space:nowrap}
dd small{font-size:13px;font-weight:400;color:var(--muted)}
figure{padding:12px 12px 6px;display:flex;flex-direction:column;justify-content:space-between}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,260px),1fr));gap:12px 24px;margin:16px 0 0}
.facts dd{font-size:14px;font-weight:400;letter-spacing:0;white-space:normal;overflow-wrap:anywhere}
figcaption{padding:0 4px 4px}
figcaption p{font-size:12px;color:var(--muted);margin:2px 0 0}
.legend{display:flex;flex-wrap:wrap;gap:2px 14px;list-style:none;margin:4px 0 0;padding:0;font-size:12px;color:var(--muted)}
.legend li{display:flex;align-items:center;gap:6px;min-width:0;overflow-wrap:anywhere}
.legend svg{flex:none}
.canvas{position:relative;touch-action:pan-y}
.canvas>svg{width:100%;height:auto;display:block;overflow:visible}
.tip{position:absolute;top:0;left:0;pointer-events:none;background:var(--card);border:1px solid var(--line);border-radius:6px;padding:5px 8px;font-size:12px;line-height:1.4;box-shadow:0 2px 10px #0003;z-index:1;font-variant-numeric:tabular-nums;max-width:min(280px,100%);width:max-content}
.tip i{display:inline-block;width:8px;height:8px;border-radius:2px;margin-right:6px}
[hidden]{display:none}
table{border-collapse:collapse;width:100%;margin-top:16px;font-size:13.5px;font-variant-numeric:tabular-nums}
th{font-weight:500;color:var(--muted);font-size:12px;vertical-align:bottom}
th,td{text-align:left;padding:6px 16px 6px 0;border-bottom:1px solid var(--line);overflow-wrap:anywhere;vertical-align:top}
th{white-space:nowrap}
th.n,td.n{text-align:right}
td.n{white-space:nowrap}
th:last-child,td:last-child{padding-right:0}
tr.same td:first-child{color:transparent}
footer{margin-top:56px;padding-top:16px;border-top:1px solid var(--line);font-size:13px;color:var(--muted)}
@media (max-width:720px){
main{padding:20px 16px 48px}
h1{font-size:23px}
figure{padding:10px 6px 4px}
table,tbody,tr{display:block}
thead{display:none}
tr{border-bottom:1px solid var(--line);padding:8px 0}
td,td.n{display:flex;justify-content:space-between;gap:16px;text-align:right;border:0;padding:2px 0;white-space:normal}
td::before{content:attr(data-title);color:var(--muted);text-align:left;flex:none}
td:first-child,tr.same td:first-child{font-weight:600;color:var(--ink);text-align:left}
td:first-child::before{content:none}
td.n:first-child::before{content:attr(data-title) " ";font-weight:400}
td.n:first-child{justify-content:flex-start;gap:6px}
}
@media print{body{background:#fff}figure,.card{break-inside:avoid}}
`;
