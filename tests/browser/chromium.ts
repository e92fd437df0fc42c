/** The system's Chromium. Where there is none its suite is skipped, and says so. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { recordPeer, recordPeerMissing } from '../peers/peers.ts';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];

/** Undefined where no Chromium is installed. */
export const CHROMIUM = findChromium();

function findChromium(): string | undefined {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    for (const name of NAMES) {
      const file = join(folder, name);
      try {
        accessSync(file, constants.X_OK);
        return file;
      } catch {
        // Not in this folder.
      }
    }
  }
  recordPeerMissing('Chromium', 'is not installed (apt-get install chromium): the dashboard is not looked at in a browser');
  return undefined;
}

export async function startChromium(): Promise<Browser> {
  if (CHROMIUM === undefined) throw new Error('no Chromium');
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    // Root has no sandbox, and containers have a small /dev/shm.
    args: [...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), '--disable-dev-shm-usage'],
  });
  recordPeer('Chromium', browser.version());
  return browser;
}
