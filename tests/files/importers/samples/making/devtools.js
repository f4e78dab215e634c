// Chrome's own "Export HAR (with sensitive data)": node devtools.js URL FILE (needs playwright-core and a Chromium).
// DevTools runs in a second tab and writes what it saw of the first with the code behind its export button.
const { chromium } = require('playwright-core');
const fs = require('fs');

const DEBUGGER = '127.0.0.1:9333';

async function exported() {
  const { NetworkLog } = await import('./models/logs/logs.js');
  const { Writer } = await import('./models/har/har.js');
  const requests = NetworkLog.NetworkLog.instance().requests().filter((seen) => !seen.url().startsWith('data:'));
  let text = '';
  const stream = { write: async (piece) => { text += piece; }, close: async () => {} };
  const progress = { createSubProgress: () => progress, canceled: false };
  for (const name of ['title', 'totalWork', 'worked']) Object.defineProperty(progress, name, { set() {}, get: () => 0 });
  await Writer.Writer.write(stream, requests, { sanitize: false }, progress);
  return text;
}

(async () => {
  const [url, path] = process.argv.slice(2);
  const args = ['--no-sandbox', `--remote-debugging-port=${DEBUGGER.split(':')[1]}`, '--remote-allow-origins=*'];
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args });
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto('data:text/html,target');
  const targets = await (await fetch(`http://${DEBUGGER}/json/list`)).json();
  const { id } = targets.find((target) => target.url.startsWith('data:'));
  const tools = await context.newPage();
  await tools.goto(`http://${DEBUGGER}/devtools/inspector.html?ws=${DEBUGGER}/devtools/page/${id}`);
  await tools.waitForTimeout(4000);
  await page.goto(url);
  await page.waitForFunction(() => document.title.startsWith('closed'));
  await tools.waitForTimeout(500);
  fs.writeFileSync(path, await tools.evaluate(exported));
  await browser.close();
})();
