import { expect, it } from 'vitest';
import { html, Markup } from './html.js';

it('escapes what is put in, also in attributes and lists, but no markup', () => {
  const name = `<script>"x" & 'y'</script>`;
  expect(html`<p title="${name}">${[html`<b>${1}</b>`, '<']}</p>`.text).toBe(
    '<p title="&lt;script&gt;&quot;x&quot; &amp; &#39;y&#39;&lt;/script&gt;"><b>1</b>&lt;</p>',
  );
  expect(html`${new Markup('<br>')}${'a'}`.text).toBe('<br>a');
  expect(html`plain`.text).toBe('plain');
});
