import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MillraceError } from '../../../../errors.ts';
import { locate } from '../../../../handlers/ffmpeg/locate.ts';
import { runTool } from '../../../../handlers/ffmpeg/run.ts';

const never = () => new AbortController().signal;
const script = (text: string) => ({ file: process.execPath, args: ['-e', text] });

describe('runTool', () => {
  it('answers how a program ended, with the end of its stderr', async () => {
    const end = await runTool({
      ...script("process.stderr.write('x'.repeat(1e5) + 'the end'); process.exitCode = 3"),
      signal: never(),
    });
    expect(end).toMatchObject({ exitCode: 3, notStarted: false, timedOut: false });
    expect(end.stderrTail.endsWith('the end')).toBe(true);
    expect(end.stderrTail.length).toBeLessThanOrEqual(16 * 1024);
  });

  it('hands stdout on in order, waiting for its reader', async () => {
    const chunks: Buffer[] = [];
    await runTool({
      ...script("for (let i = 0; i < 20000; i++) process.stdout.write(i + ',')"),
      signal: never(),
      onStdout: async (chunk) => {
        await new Promise(setImmediate);
        chunks.push(chunk);
      },
    });
    expect(Buffer.concat(chunks).toString()).toBe(`${Array.from({ length: 20_000 }, (_, index) => index).join(',')},`);
  });

  it('throws what its reader throws, and ends the program', async () => {
    const running = runTool({
      ...script("setInterval(() => process.stdout.write('x'), 5)"),
      signal: never(),
      onStdout: () => {
        throw new MillraceError('DISK_FULL', 'full');
      },
    });
    await expect(running).rejects.toMatchObject({ code: 'DISK_FULL' });
  });

  it('kills the program and its children when it is stopped, and says CANCELLED without its arguments', async () => {
    const controller = new AbortController();
    const spawn =
      "const c = require('child_process').spawn(process.execPath, ['-e', 'setInterval(() => 0, 1000)']); console.log(c.pid); setInterval(() => 0, 1000)";
    let pid = 0;
    const running = runTool({
      ...script(spawn),
      args: ['-e', spawn, 'https://example.com/?canary'],
      signal: controller.signal,
      onStdout: (chunk) => {
        pid = Number(chunk.toString());
        controller.abort();
      },
    });
    const error = await running.catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'CANCELLED' });
    expect(String(error instanceof Error ? error.stack : error)).not.toContain('canary');
    await expect.poll(() => isAlive(pid)).toBe(false);
  });

  it('says why it was stopped where the signal tells', async () => {
    const signal = AbortSignal.abort(new MillraceError('TIME_LIMIT', 'too long'));
    await expect(runTool({ ...script('0'), signal })).rejects.toMatchObject({ code: 'TIME_LIMIT' });
  });

  it('ends a program at its own time limit', async () => {
    expect(await runTool({ ...script('setInterval(() => 0, 1000)'), signal: never(), timeLimitMs: 100 })).toMatchObject({
      timedOut: true,
    });
  });

  it('tells a program that is not there', async () => {
    expect(await runTool({ file: '/nowhere/ffmpeg', args: [], signal: never() })).toMatchObject({
      notStarted: true,
      exitCode: undefined,
    });
  });

  it('keeps our environment from the program, proxies above all', async () => {
    const names = ['MILLRACE_TEST_SECRET', 'http_proxy'];
    for (const name of names) process.env[name] = 'http://user:key@proxy';
    try {
      let text = '';
      const onStdout = (chunk: Buffer) => {
        text += chunk.toString();
      };
      await runTool({
        ...script('console.log(Object.keys(process.env).join())'),
        signal: never(),
        onStdout,
        env: { FONTCONFIG_FILE: '/w/fonts.conf' },
      });
      expect(text).toContain('PATH');
      expect(text).toContain('FONTCONFIG_FILE');
      for (const name of names) expect(text).not.toContain(name);
    } finally {
      for (const name of names) delete process.env[name];
    }
  });
});

describe('locate', () => {
  it('does not look elsewhere when the settings name a program that does not run', async () => {
    await expect(locate({ ffmpegPath: '/nowhere/ffmpeg' })).rejects.toMatchObject({ code: 'FFMPEG_MISSING' });
    const { message } = await locate({ ffmpegPath: process.execPath }).then(
      () => new Error('found'),
      (thrown: Error) => thrown,
    );
    expect(message).toContain('apt-get install ffmpeg');
    expect(message).not.toContain('\n');
  });

  it('finds tools that run', async () => {
    const tools = await locate();
    expect(tools.version).not.toBe('');
    expect(await locate({ ffmpegPath: tools.ffmpeg, ffprobePath: tools.ffprobe })).toEqual({ ...tools, origin: 'setting' });
  });
});

/** A process that was killed and not yet collected by its parent counts as dead. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const stat = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, 'latin1') : '';
  return !/\) Z /.test(stat);
}
