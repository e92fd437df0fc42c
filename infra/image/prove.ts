/**
 * Proves a built worker image from inside: `docker run --rm -v "$PWD/infra/image:/proof:ro" --entrypoint node IMAGE /proof/prove.ts`.
 * Prints one line per proof; exits 1 where one fails.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const TIME_LIMIT_MS = 120_000;
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;
const APPLICATION = '/opt/millrace';

const WIDTH = 640;
const HEIGHT = 160;
/** Two texts a script. A font without the script's glyphs draws both as the same boxes, or not at all. */
const TEXTS = [
  ['Latin', 'Żółw ñ', 'Ćma ßø'],
  ['Cyrillic', 'Жук', 'Дом'],
  ['Devanagari', 'नमस्ते', 'धन्यवाद'],
  ['Tamil', 'வணக்கம்', 'நன்றி'],
  ['Arabic', 'مرحبا', 'شكرا'],
  ['Hebrew', 'שלום', 'תודה'],
  ['Thai', 'สวัสดี', 'ขอบคุณ'],
  ['Chinese', '你好世界', '谢谢大家'],
  ['Japanese', 'こんにちは', 'さようなら'],
  ['Korean', '안녕하세요', '감사합니다'],
  ['emoji', '🍕🎉', '🏀🐀'],
] as const;
const FRAMES_PER_TEXT = 5;
/** Of 640 × 160: the smallest text here covers several hundred pixels. */
const LEAST_PIXELS = 100;

const folder = mkdtempSync(join(tmpdir(), 'proof-'));
const run = promisify(execFile);
let failures = 0;

const proofs: readonly (readonly [string, () => Promise<string>])[] = [
  ['runs as a user who is not root', notRoot],
  ['has a version', version],
  ['answers PING with the ffmpeg of the image', ping],
  ['starts with the code that its build compiled', compiled],
  ['ffmpeg has NVENC, CUDA and libass built in', buildOfFfmpeg],
  ['leaves out what it does not need', leftOut],
  ['SIGTERM reaches node through tini', sigterm],
  ['ENCODING draws the scripts of the world', encoding],
];

for (const [name, prove] of proofs) {
  try {
    report(`ok      ${name}: ${await prove()}`);
  } catch (thrown) {
    failures += 1;
    report(`FAILED  ${name}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
}
rmSync(folder, { recursive: true, force: true });
process.exitCode = failures === 0 ? 0 : 1;

function report(line: string): void {
  process.stdout.write(`${line}\n`);
}

function must(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(otherwise);
}

async function notRoot(): Promise<string> {
  const uid = process.getuid?.() ?? 0;
  must(uid !== 0, 'it is root');
  return `uid ${uid}`;
}

async function version(): Promise<string> {
  const text = (await millrace(['--version'])).trim();
  must(/^\d+\.\d+\.\d+/.test(text), `--version printed ${JSON.stringify(text)}`);
  return text;
}

async function ping(): Promise<string> {
  const answer = await testInput({ task: 'PING' });
  must(answer.includes('"body":"pong"') && answer.includes('"ffmpeg_origin":"system"'), answer);
  return answer;
}

/** Node says so itself, a line for each file, where it is asked to. */
async function compiled(): Promise<string> {
  const { stderr, stdout } = await run('millrace', ['worker', '--test_input', '{"input":{"task":"PING"}}'], {
    timeout: TIME_LIMIT_MS,
    maxBuffer: MAX_OUTPUT_BYTES,
    env: { ...process.env, NODE_DEBUG_NATIVE: 'COMPILE_CACHE' },
  });
  const reads = `${stdout}${stderr}`.split('\n').filter((line) => line.startsWith('[compile cache] reading cache from'));
  const found = reads.filter((line) => line.includes('success'));
  must(found.length > 0 && found.length === reads.length, `${found.length} of ${reads.length} files were found in the cache`);
  return `all of ${reads.length} files`;
}

async function buildOfFfmpeg(): Promise<string> {
  const [encoders, filters, hwaccels] = await Promise.all(
    ['-encoders', '-filters', '-hwaccels'].map(async (list) => (await ffmpeg([list])).toString('utf8')),
  );
  const wanted = [
    [encoders, 'h264_nvenc'],
    [encoders, 'hevc_nvenc'],
    [encoders, 'libx264'],
    [filters, 'scale_cuda'],
    [filters, 'ass'],
    [hwaccels, 'cuda'],
  ] as const;
  const absent = wanted.filter(([list, name]) => !new RegExp(`\\b${name}\\b`).test(list ?? '')).map(([, name]) => name);
  must(absent.length === 0, `without ${absent.join(', ')}`);
  return wanted.map(([, name]) => name).join(', ');
}

async function leftOut(): Promise<string> {
  const unwanted = [
    ...['miniflare', 'workerd', 'vitest', 'typescript', '@ffmpeg-installer/linux-x64', '@ffprobe-installer/linux-x64'].map(
      (name) => `node_modules/${name}`,
    ),
    ...['tests', 'docs', '.git', '.env', '.ci'],
  ];
  const there = unwanted.filter((name) => existsSync(join(APPLICATION, name)));
  must(there.length === 0, `${there.join(', ')} is in it`);
  return `${unwanted.length} names looked for`;
}

/** The worker is started as the container starts it, and told to stop while it waits for a job. */
async function sigterm(): Promise<string> {
  const asked = Promise.withResolvers<number>();
  const server = await serve((request, response) => {
    if (request.url?.startsWith('/job-take') === true) asked.resolve(Date.now());
    else response.end('{}');
  });
  let worker: ChildProcess | undefined;
  try {
    const startedAtMs = Date.now();
    worker = spawn('tini', ['-s', '--', 'millrace', 'worker'], {
      stdio: 'ignore',
      timeout: TIME_LIMIT_MS,
      killSignal: 'SIGKILL',
      env: {
        ...process.env,
        RUNPOD_WEBHOOK_GET_JOB: `${server.url}/job-take/$ID?gpu=none`,
        RUNPOD_WEBHOOK_POST_OUTPUT: `${server.url}/job-done/$RUNPOD_POD_ID/$ID?gpu=none`,
        RUNPOD_AI_API_KEY: 'none',
      },
    });
    const ended = once(worker, 'exit');
    const askedAtMs = await Promise.race([
      asked.promise,
      ended.then(([code]): Promise<number> => Promise.reject(new Error(`it ended with ${code} before it asked`))),
    ]);
    const toldAtMs = Date.now();
    worker.kill('SIGTERM');
    const [code, signal] = await ended;
    must(code === 0, `it ended with ${code ?? signal}`);
    return `asked for a job ${askedAtMs - startedAtMs} ms after its start, exit 0 ${Date.now() - toldAtMs} ms after the signal`;
  } finally {
    worker?.kill('SIGKILL');
    server.close();
  }
}

async function encoding(): Promise<string> {
  const texts = TEXTS.flatMap(([, ...pair]) => pair);
  const seconds = texts.length;
  const files = {
    '/video.mp4': join(folder, 'video.mp4'),
    '/audio.wav': join(folder, 'audio.wav'),
    '/subtitles.ass': join(folder, 'a.ass'),
  };
  const black = `color=black:s=${WIDTH}x${HEIGHT}:r=${FRAMES_PER_TEXT}:d=${seconds}`;
  await ffmpeg([
    '-f',
    'lavfi',
    '-i',
    black,
    '-c:v',
    'libx264',
    '-preset',
    'ultrafast',
    '-pix_fmt',
    'yuv420p',
    files['/video.mp4'],
  ]);
  await ffmpeg(['-f', 'lavfi', '-i', `sine=d=${seconds}`, files['/audio.wav']]);
  writeFileSync(files['/subtitles.ass'], subtitles(texts));

  const made = join(folder, 'made.mp4');
  const server = await serve((request, response) => {
    if (request.method === 'PUT') {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        writeFileSync(made, Buffer.concat(chunks));
        response.end();
      });
      return;
    }
    const file = Object.entries(files).find(([path]) => path === request.url)?.[1];
    sendRange(file === undefined ? undefined : readFileSync(file), request.headers.range, response);
  });
  try {
    const parameters = {
      ...{ id: 'proof', language: 'xx', subtitles: true, output_put_url: `${server.url}/made.mp4` },
      input_video_uri: `${server.url}/video.mp4`,
      input_audio_uri: `${server.url}/audio.wav`,
      subtitles_uri: `${server.url}/subtitles.ass`,
    };
    await testInput({ task: 'ENCODING', parameters }, { HTTP_ALLOW_HOSTS: new URL(server.url).host });
  } finally {
    server.close();
  }

  const pictures = await ffmpeg(['-i', made, '-f', 'rawvideo', '-pix_fmt', 'gray', '-']);
  const middleOf = (text: number) => {
    const at = (text * FRAMES_PER_TEXT + Math.floor(FRAMES_PER_TEXT / 2)) * WIDTH * HEIGHT;
    return pictures.subarray(at, at + WIDTH * HEIGHT);
  };
  const wrong = TEXTS.flatMap(([script], index) => {
    const [first, second] = [middleOf(2 * index), middleOf(2 * index + 1)];
    const drawn = Math.min(brightPixels(first), brightPixels(second));
    const different = first.filter((luma, at) => Math.abs(luma - (second[at] ?? 0)) > 64).length;
    return drawn < LEAST_PIXELS || different < LEAST_PIXELS ? [`${script} (${drawn} pixels, ${different} of them its own)`] : [];
  });
  must(wrong.length === 0, `not drawn: ${wrong.join(', ')}`);
  return TEXTS.map(([script]) => script).join(', ');
}

function brightPixels(picture: Buffer): number {
  return picture.filter((luma) => luma > 96).length;
}

/** One second a text, in a font that is not there: the usual case. */
function subtitles(texts: readonly string[]): string {
  const time = (second: number) =>
    `0:${String(Math.floor(second / 60)).padStart(2, '0')}:${String(second % 60).padStart(2, '0')}.00`;
  return [
    '[Script Info]',
    'ScriptType: v4.00+',
    `PlayResX: ${WIDTH}`,
    `PlayResY: ${HEIGHT}`,
    '[V4+ Styles]',
    'Format: Name, Fontname, Fontsize, PrimaryColour, Alignment',
    'Style: Default,Arial,60,&H00FFFFFF,5',
    '[Events]',
    'Format: Layer, Start, End, Style, Text',
    ...texts.map((text, index) => `Dialogue: 0,${time(index)},${time(index + 1)},Default,${text}`),
    '',
  ].join('\n');
}

async function ffmpeg(args: readonly string[]): Promise<Buffer> {
  const { stdout } = await run('ffmpeg', ['-nostdin', '-hide_banner', '-loglevel', 'error', '-y', ...args], {
    encoding: 'buffer',
    timeout: TIME_LIMIT_MS,
    maxBuffer: MAX_OUTPUT_BYTES,
  });
  return stdout;
}

async function millrace(args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const { stdout } = await run('millrace', args, { timeout: TIME_LIMIT_MS, env: { ...process.env, ...env } });
  return stdout;
}

/** The answer's line. Throws where the job failed. */
async function testInput(input: object, env?: Record<string, string>): Promise<string> {
  return (await millrace(['worker', '--test_input', JSON.stringify({ input })], env)).trim();
}

async function serve(listener: RequestListener): Promise<{ url: string; close: () => void }> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  must(address !== null && typeof address === 'object', 'no port');
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${address.port}`, close };
}

function sendRange(body: Buffer | undefined, range: string | undefined, response: Parameters<RequestListener>[1]): void {
  if (body === undefined) {
    response.writeHead(404).end();
    return;
  }
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? [];
  if (first === undefined) {
    response.writeHead(200, { 'content-length': body.length, 'accept-ranges': 'bytes' }).end(body);
    return;
  }
  const from = Number(first);
  const to = Math.min(last === undefined || last === '' ? body.length - 1 : Number(last), body.length - 1);
  response
    .writeHead(206, { 'content-length': to - from + 1, 'content-range': `bytes ${from}-${to}/${body.length}` })
    .end(body.subarray(from, to + 1));
}
