// Playwright's recordHar: node playwright.js URL FILE (needs playwright-core and a Chromium).
const { chromium } = require('playwright-core');

(async () => {
  const [url, path] = process.argv.slice(2);
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  const context = await browser.newContext({ recordHar: { path } });
  const page = await context.newPage();
  await page.goto(url);
  await page.waitForFunction(() => document.title.startsWith('closed'));
  await context.close();
  await browser.close();
})();
