import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { jobState } from '../../pipeline/job-state.ts';
import { notification } from '../integration/consumers/dead-letters-suite.ts';
import { eventually } from '../integration/loop/stack.ts';
import { ALL_TOOLS } from '../media/tools.ts';
import { CHROMIUM } from './chromium.ts';
import { type Desk, startDesk } from './desk.ts';

const [TOOLS] = ALL_TOOLS;
const SEGMENTS_KEY = 'stage/segmentation/segments.json';
const segments = (count: number): string =>
  JSON.stringify(Array.from({ length: count }, (_, index) => ({ start_sec: index / 2, duration_sec: 0.5 })));
const PHONE = { width: 360, height: 780 };

describe.skipIf(CHROMIUM === undefined || TOOLS === undefined)('the dashboard', () => {
  let desk: Desk;

  beforeAll(async () => {
    if (TOOLS === undefined) throw new Error('no ffmpeg');
    desk = await startDesk(TOOLS.ffmpeg);
  });
  afterAll(() => desk?.stop());
  /** Nothing on any page was against its policy, threw, or said that something is wrong. */
  afterEach(() => expect(desk.complaints()).toEqual([]));

  const state = (page: Page) => page.locator('.title .badge');
  const row = (page: Page, item: string) => page.locator(`tr[data-item="${item}"]`);
  const stage = (page: Page, name: string) => page.locator(`[data-stage="${name}"]`);
  const untilIs = (page: Page, word: string) => page.locator(`.title .badge[data-word="${word}"]`).waitFor();
  const untilStage = (page: Page, name: string, hasText: string) => stage(page, name).filter({ hasText }).waitFor();
  /** Said from outside: the page's policy lets nobody evaluate anything on it. */
  const until = (page: Page, what: string) => eventually(what, async () => (await page.evaluate(what)) === true);
  const inPage = (page: Page) => page.getByRole('main');

  it('says what to do where there is nothing yet, to whoever has a token', async () => {
    const page = await desk.open('#/jobs?state=failed');
    await page.getByLabel('Token').fill('no-token-of-this-server');
    await page.getByRole('button', { name: 'Sign in' }).click();
    expect(await page.getByRole('alert').textContent()).toMatch(/not one of this server.*UNAUTHENTICATED.*request/);

    await page.getByLabel('Token').fill(desk.token);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'No jobs yet' }).waitFor();
    expect(await page.getByText('npx millrace submit talk-1 talk.m4a segments.json').isVisible()).toBe(true);
    expect(page.url()).toBe(`${desk.url}/#/jobs?state=failed`);
    // The session is for the browser alone: nothing on a page can read it.
    expect(await page.evaluate('document.cookie')).toBe('');
    expect(await page.context().cookies()).toMatchObject([{ name: 'millrace_session', httpOnly: true, sameSite: 'Strict' }]);

    await page.reload();
    await page.getByRole('heading', { name: 'No jobs yet' }).waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Token').waitFor();
    expect(await page.context().cookies()).toEqual([]);
    await page.context().close();
  });

  it('shows a job from its first file to its end, without being loaded again', async () => {
    const list = await desk.openSignedIn('#/jobs');
    await list.getByRole('heading', { name: 'No jobs yet' }).waitFor();
    await desk.stack.put('talk', 'inputs/audio/master.wav', desk.master);
    const link = list.getByRole('link', { name: 'talk', exact: true });
    await link.waitFor();
    await list.evaluate('window.isTheSamePage = true');
    await link.click();
    const page = list;
    await page.getByText('● live').waitFor();
    expect(await state(page).textContent()).toContain('empty');
    // Every state that the page has shown, in its order.
    await page.evaluate(`
      window.seen = [];
      new MutationObserver(() => window.seen.push(document.querySelector('.title .badge').dataset.word))
        .observe(document.querySelector('.title .badge'), { attributes: true, attributeFilter: ['data-word'] })`);

    await desk.stack.put('talk', 'inputs/video/source.mp4', desk.video);
    await desk.stack.put('talk', SEGMENTS_KEY, segments(3));
    await untilStage(page, 'segmentation', '3 of 3 done');
    await untilStage(page, 'downsample', '1 of 1 done');
    await untilIs(page, 'done');
    // What has ended begins again with the clips, which somebody else makes.
    const putClip = (index: number) => desk.stack.put('talk', `stage/clips/segment_${index}.mp4`, desk.video);
    await Promise.all([putClip(0), putClip(1)]);
    await untilIs(page, 'waiting');
    await putClip(2);
    await untilStage(page, 'concatenation', '1 of 1 done');
    await untilIs(page, 'done');

    await page.locator('[data-cost]', { hasText: 's of GPU' }).waitFor();
    expect(await page.evaluate('window.isTheSamePage')).toBe(true);
    expect(await page.evaluate('window.seen')).toEqual(expect.arrayContaining(['done', 'waiting']));
    expect(await page.title()).toBe('✓ talk – Millrace');
    expect(await page.locator('#announcer').textContent()).toContain('talk is now done');
    await row(page, 'concatenation/0').waitFor();
    expect(await row(page, 'segmentation/2').textContent()).toContain('done');
    expect(await stage(page, 'concatenation').textContent()).toContain('after clips');
    expect(await page.locator('.graph svg .arrow').count()).toBeGreaterThan(3);
    await page.context().close();
  });

  it('plays what was made, and shows its shape', async () => {
    const page = await desk.openSignedIn('#/jobs/talk?stage=segmentation');
    await row(page, 'segmentation/2').getByRole('button', { name: 'Play' }).click();
    const wave = page.getByRole('slider', { name: 'Position in segment_2.wav' });
    await page.locator('canvas[data-state="drawn"]').waitFor();
    await until(page, `document.querySelector('audio')?.duration === 0.5`);
    const box = await wave.boundingBox();
    await wave.click({ position: { x: (box?.width ?? 0) / 2, y: 5 } });
    expect(await page.evaluate(`document.querySelector('audio').currentTime`)).toBeCloseTo(0.25, 1);
    await wave.press('End');
    expect(await page.evaluate(`document.querySelector('audio').currentTime`)).toBeCloseTo(0.5, 1);
    await wave.press('Home');
    expect(await page.evaluate(`document.querySelector('audio').currentTime`)).toBe(0);

    // A stage of the graph leads to its items.
    await stage(page, 'downsample').click();
    await row(page, 'downsample/0').getByRole('button', { name: 'Play' }).click();
    await until(page, `document.querySelector('.player video')?.videoHeight === 180`);
    expect(await row(page, 'segmentation/2').count()).toBe(0);
    expect(page.url()).toContain('#/jobs/talk?stage=downsample');
    const download = page.waitForEvent('download');
    await row(page, 'downsample/0').getByRole('link', { name: 'Download downsampled.mp4' }).click();
    expect((await download).suggestedFilename()).toBe('downsampled.mp4');
    await page.context().close();
  });

  it('tells why an item failed and what to do, and tries it again until it is done', async () => {
    const source = { source_uri: desk.origin.url('late.wav'), dest_key: 'inputs/audio/master.wav' };
    await desk.stack.put('late', 'inputs/sources.json', JSON.stringify({ sources: [source] }));
    await desk.stack.put('late', SEGMENTS_KEY, segments(2));
    const page = await desk.openSignedIn('#/jobs/late');
    const card = page.locator('[data-attention="staging/0"]');
    await card.waitFor();
    await untilIs(page, 'failed');
    expect(await card.textContent()).toMatch(/failed.*SOURCE_MISSING.*404.*millrace retry late --stage staging --item 0/);
    await page.getByLabel('State').selectOption({ label: 'Needs somebody' });
    await until(page, `document.querySelectorAll('tr[data-item]').length === 1`);

    await card.getByRole('link', { name: 'staging/0' }).click();
    await page.getByRole('heading', { name: 'staging/0' }).waitFor();
    await page.locator('.story li').filter({ hasText: 'failed' }).waitFor();
    expect(await page.locator('.story').textContent()).toMatch(/claimed by.*RunPod took it.*SOURCE_MISSING/);
    // The query of a source is a secret.
    expect(await page.content()).not.toContain('do-not-print');

    desk.origin.files.set('late.wav', { file: join(desk.folder, 'master.wav') });
    await page.getByRole('button', { name: 'Retry' }).click();
    await page.locator('.outcome', { hasText: '1 item will be tried again.' }).waitFor();
    await untilIs(page, 'done');
    // An output is there a moment before its result is.
    await page.locator('.story li').filter({ hasText: 'succeeded' }).waitFor();
    expect(await page.locator('.story').textContent()).toMatch(/attempt 2.*succeeded/);
    await page.getByRole('link', { name: 'late', exact: true }).click();
    await untilIs(page, 'done');
    expect(await stage(page, 'segmentation').textContent()).toContain('2 of 2 done');
    await page.context().close();
  });

  it('shows a dead letter whole, says what a replay would do, and replays it', async () => {
    await desk.withoutEvents(async () => {
      await desk.stack.put('lost', 'inputs/audio/master.wav', desk.master);
      await desk.stack.put('lost', SEGMENTS_KEY, segments(1));
    });
    await desk.bury(notification(`pipelines/lost/${SEGMENTS_KEY}`), 'MAX_RECEIVES');
    await desk.bury('<img src=x onerror=alert(1)>', 'MESSAGE_NOT_JSON');
    const page = await desk.openSignedIn('#/dead-letters');
    const group = page.locator('tr[data-group="MAX_RECEIVES"]');
    expect(await group.textContent()).toContain('lost');
    await page
      .locator('tr[data-group="MESSAGE_NOT_JSON"]')
      .getByRole('link', { name: /Inspect/ })
      .click();
    await page.getByText('<img src=x onerror=alert(1)>').waitFor();
    await page.goBack();

    await group.getByRole('link', { name: /Inspect/ }).click();
    await page.getByText('It tells of 1 event').waitFor();
    expect(await page.locator('main').textContent()).toContain(`videos/pipelines/lost/${SEGMENTS_KEY}`);
    await page.getByRole('button', { name: 'Replay' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('would be sent again').waitFor();
    expect(jobState(await desk.stack.plan('lost'))).toBe('working');
    expect(desk.stack.dispatched('lost')).toEqual([]);
    await dialog.getByRole('button', { name: 'Replay' }).click();
    await inPage(page).getByText('1 letter sent again.').waitFor();
    await desk.stack.untilDone('lost');

    await page.getByRole('link', { name: 'All dead letters' }).click();
    await page.getByRole('button', { name: /Discard 1 letter, MESSAGE_NOT_JSON/ }).click();
    await dialog.getByText('would be deleted').waitFor();
    await dialog.getByRole('button', { name: 'Discard' }).click();
    await page.getByText('None: whatever arrived could be read').waitFor();
    await page.context().close();
  });

  it('names every field that is wrong in a manifest', async () => {
    await desk.stack.put('wrong', SEGMENTS_KEY, '[{"start_sec":-1,"duration_sec":"8"}]');
    const page = await desk.openSignedIn('#/jobs/wrong');
    await page.getByRole('heading', { name: '1 problem' }).waitFor();
    const fields = await page.locator('.card table tbody tr').allTextContents();
    expect(fields).toEqual([expect.stringMatching(/start_sec.*-1/), expect.stringMatching(/duration_sec.*"8"/)]);
    await page.context().close();
  });

  it('can be worked with the keyboard alone', async () => {
    const page = await desk.openSignedIn('#/jobs');
    await page.getByRole('link', { name: 'wrong' }).waitFor();
    await page.reload();
    await page.getByRole('link', { name: 'wrong' }).waitFor();
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the content');
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.id')).toBe('main');

    await page.keyboard.press('/');
    await page.keyboard.type('LAT');
    await until(page, `document.querySelectorAll('.jobs tbody tr').length === 1`);
    expect(page.url()).toContain('q=LAT');
    await page.keyboard.press('Enter');
    await untilIs(page, 'done');
    expect(await page.evaluate('document.activeElement.id')).toBe('main');
    const focused = () =>
      page.evaluate(`document.activeElement.textContent.trim() + ' ' + getComputedStyle(document.activeElement).outlineStyle`);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('Delete … solid');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'Delete late?' }).waitFor();
    await page.keyboard.press('Escape');
    expect(await page.getByRole('dialog').count()).toBe(0);
    expect(await focused()).toBe('Delete … solid');

    await page.keyboard.press('/');
    await page.keyboard.type('1');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'segmentation/1' }).waitFor();
    await page.context().close();
  });

  it('cancels, goes on, and deletes only what is named', async () => {
    await desk.stack.put('going', SEGMENTS_KEY, segments(2));
    const page = await desk.openSignedIn('#/jobs/going');
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByLabel(/Why/).fill('Wrong master.');
    await page.getByRole('button', { name: 'Cancel the job' }).click();
    await untilIs(page, 'cancelled');
    expect(JSON.parse((await desk.stack.read('going', 'cancel.json')).toString())).toEqual({ reason: 'Wrong master.' });
    await page.getByRole('button', { name: 'Resume' }).click();
    await untilIs(page, 'waiting');

    await page.getByRole('button', { name: 'Delete' }).click();
    const button = page.getByRole('button', { name: 'Delete the job' });
    await page.getByLabel(/To confirm/).fill('goin');
    expect(await button.isDisabled()).toBe(true);
    await page.getByLabel(/To confirm/).fill('going');
    await button.click();
    await page.getByRole('heading', { name: 'Jobs', exact: true }).waitFor();
    await eventually('nothing of it is left', async () => (await desk.stack.keys('going')).length === 0);
    await page.context().close();
  });

  it('shows ten thousand items a page at a time', async () => {
    await desk.stack.put('many', SEGMENTS_KEY, segments(10_000));
    const page = await desk.openSignedIn('#/jobs/many?stage=segmentation');
    await row(page, 'segmentation/49').waitFor();
    expect(await page.locator('tr[data-item]').count()).toBe(50);
    await page.getByRole('link', { name: 'Next page' }).click();
    await row(page, 'segmentation/99').waitFor();
    expect(await page.locator('tr[data-item]').count()).toBe(50);
    await page.reload();
    await row(page, 'segmentation/50').waitFor();
    await page.goBack();
    await row(page, 'segmentation/0').waitFor();
    await page.getByLabel('Item number').fill('9999');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'segmentation/9999' }).waitFor();
    await page.context().close();
  });

  it('takes what strangers wrote as text, and lets no page or drawing of theirs be opened', async () => {
    const names = ['inputs/<img src=x onerror=alert(1)>.txt', 'inputs/page.html', 'inputs/drawing.svg'];
    const script = '<svg xmlns="http://www.w3.org/2000/svg"><script>window.opener.isHit = true</script></svg>';
    for (const name of names) await desk.stack.put('hostile', name, script);
    const page = await desk.openSignedIn('#/jobs/hostile');
    await page.getByText(names[0] ?? '').waitFor();
    expect(await page.locator('main img').count()).toBe(0);
    for (const name of names.slice(1)) {
      // Opened by its own address, as a link in a mail would.
      const other = await page.context().newPage();
      const download = other.waitForEvent('download');
      await other.goto(`${desk.url}/api/jobs/hostile/files/${name}`).catch(() => undefined);
      expect((await download).suggestedFilename()).toBe(name.split('/')[1]);
      expect(other.url()).toBe('about:blank');
      await other.close();
    }
    await page.context().close();
  });

  it('says that its connection is lost, and comes back by itself', async () => {
    const page = await desk.openSignedIn('#/jobs');
    await page.route('**/events', (route) => route.fulfill({ status: 502, body: 'Bad gateway' }));
    await page.evaluate(`location.hash = '#/jobs/many'`);
    await page.getByText('connection lost').waitFor();
    await page.unroute('**/events');
    await page.getByText('● live').waitFor();
    desk.complaints();
    await page.context().close();
  });

  it.each([
    ['light', { viewport: { width: 1600, height: 1000 } }],
    ['dark', { viewport: { width: 1280, height: 900 }, colorScheme: 'dark' }],
    ['narrow', { viewport: PHONE, colorScheme: 'dark', reducedMotion: 'reduce' }],
  ] as const)('fits the screen: %s', async (name, options) => {
    const page = await desk.openSignedIn('#/jobs/talk', options);
    for (const [hash, ready] of [
      ['#/jobs/talk', 'tr[data-item]'],
      ['#/jobs/wrong', '.card table'],
      ['#/jobs/late/items/staging/0', '.story li'],
      ['#/jobs', '.jobs tbody tr'],
      ['#/dead-letters', '.facts'],
    ] as const) {
      await page.evaluate(`location.hash = '${hash}'`);
      await page.locator(ready).first().waitFor();
      await page.screenshot({ path: join(desk.folder, `${name}-${hash.replaceAll(/\W+/g, '-')}.png`), fullPage: true });
      // A page that is wider than the screen is read by pushing it to and fro.
      expect(await page.evaluate('document.scrollingElement.scrollWidth'), hash).toBeLessThanOrEqual(options.viewport.width);
      expect(await page.evaluate(CONTRASTS), hash).toEqual([]);
    }
    await page.context().close();
  });
});

/** Texts on the page that stand out too little from their ground: those of less than 4.5 to 1. */
const CONTRASTS = `(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((value) => (value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const groundOf = (element) => {
    for (let each = element; each !== null; each = each.parentElement) {
      const ground = rgba(getComputedStyle(each).backgroundColor);
      if (ground[3] === 255) return ground;
    }
    return rgba('white');
  };
  const faint = [];
  const walker = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (walker.currentNode.textContent.trim() === '' || element.closest('.unseen, [hidden], :disabled') || element.offsetParent === null) continue;
    const [a, b] = [luminance(rgba(getComputedStyle(element).color)), luminance(groundOf(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faint.push(element.textContent.trim() + ' ' + ratio.toFixed(2));
  }
  return faint;
})()`;
