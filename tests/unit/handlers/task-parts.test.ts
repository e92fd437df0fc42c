import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MillraceError } from '../../../errors.ts';
import { segmentSamples } from '../../../handlers/audio-segment.ts';
import { withUris } from '../../../handlers/encoding.ts';
import { destinationOf } from '../../../handlers/outputs/destination.ts';
import { parseTask, runContextsOf } from '../../../handlers/parse-task.ts';
import { expiryMs, isExpired, withoutSignature } from '../../../handlers/presigned-url.ts';
import { delayMs, withRetry } from '../../../handlers/retry.ts';
import { plannedEtag } from '../../../handlers/task-context.ts';
import { appendSilence, wavHeader } from '../../../handlers/wav.ts';

const MILLRACE = { job: 'j', stage: 's', item: '0', fingerprint: 'f', attempt: 1 };

describe('presigned URLs', () => {
  it.each([
    ['https://b.s3.amazonaws.com/k?X-Amz-Date=20260131T235900Z&X-Amz-Expires=60&X-Amz-Signature=x', '2026-02-01T00:00:00Z'],
    ['https://storage.googleapis.com/b/k?X-Goog-Date=20260101T000000Z&X-Goog-Expires=3600', '2026-01-01T01:00:00Z'],
    ['https://b.s3.amazonaws.com/k?AWSAccessKeyId=a&Expires=1767225600&Signature=x', '2026-01-01T00:00:00Z'],
  ])('tell when they run out: %s', (url, at) => {
    expect(expiryMs(url)).toBe(Date.parse(at));
    expect(isExpired(url, '', Date.parse(at) - 1)).toBe(false);
    expect(isExpired(url, '', Date.parse(at))).toBe(true);
  });

  it('are one source under all their signatures, but not under other versions', () => {
    const key = 'https://b.example/k%20a.wav?versionId=3';
    const signed = (time: string) => `${key}&X-Amz-Date=${time}&X-Amz-Expires=60&X-Amz-Signature=${time}`;
    expect(withoutSignature(signed('20260101T000000Z'))).toBe(withoutSignature(signed('20260101T000001Z')));
    expect(withoutSignature(signed('20260101T000000Z'))).toBe(key);
    expect(withoutSignature('s3://bucket/what?Signature=x')).toBe('s3://bucket/what?Signature=x');
  });

  it('are expired where the store says so', () => {
    expect(isExpired('https://x/', '<Message>Request has expired</Message>', 0)).toBe(true);
    expect(isExpired('https://x/', '<Code>AccessDenied</Code>', 0)).toBe(false);
    expect(expiryMs('https://x/?Expires=tomorrow')).toBeUndefined();
  });
});

describe('withRetry', () => {
  const policy = { attempts: 3, firstDelayMs: 1, maxDelayMs: 3 };
  const options = { signal: new AbortController().signal, policy, code: 'SOURCE_UNREACHABLE' } as const;

  it('tries again what the network broke, as often as the policy says', async () => {
    let tries = 0;
    const work = async () => {
      tries++;
      throw new Error('ECONNRESET');
    };
    await expect(withRetry(work, options)).rejects.toMatchObject({ code: 'SOURCE_UNREACHABLE' });
    expect(tries).toBe(3);
  });

  it('does not repeat what another run must do', async () => {
    let tries = 0;
    const work = async () => {
      tries++;
      throw new MillraceError('PRESIGNED_URL_EXPIRED', 'gone');
    };
    await expect(withRetry(work, options)).rejects.toMatchObject({ code: 'PRESIGNED_URL_EXPIRED' });
    expect(tries).toBe(1);
  });

  it('waits longer each time, up to a bound', () => {
    expect([1, 2, 3, 9].map((attempt) => delayMs(attempt, { attempts: 9, firstDelayMs: 100, maxDelayMs: 350 }))).toEqual([
      100, 200, 350, 350,
    ]);
  });
});

describe('WAV', () => {
  it('has a header of 44 bytes that counts what follows', () => {
    const header = wavHeader({ sampleRate: 48_000, channels: 2 }, 192_000);
    expect(header.toString('latin1', 0, 4) + header.toString('latin1', 8, 16) + header.toString('latin1', 36, 40)).toBe(
      'RIFFWAVEfmt data',
    );
    expect([
      header.length,
      header.readUInt32LE(4),
      header.readUInt32LE(24),
      header.readUInt32LE(28),
      header.readUInt16LE(32),
      header.readUInt32LE(40),
    ]).toEqual([44, 192_036, 48_000, 192_000, 4, 192_000]);
  });

  it('does not hold more than its header can count', () => {
    expect(() => wavHeader({ sampleRate: 48_000, channels: 2 }, 2 ** 32)).toThrow(expect.objectContaining({ code: 'TOO_LARGE' }));
  });

  it('appends silence of any length', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-wav-'));
    const handle = await open(join(directory, 'a'), 'w');
    await appendSilence(handle, 150_001);
    await appendSilence(handle, 0);
    await handle.close();
    expect((await readFile(join(directory, 'a'))).equals(Buffer.alloc(150_001))).toBe(true);
    await rm(directory, { recursive: true });
  });

  it('rounds a segment to whole samples, and pads but never shortens', () => {
    expect(segmentSamples({ start_sec: 1.00001, duration_sec: 0.1, target_sec: undefined })).toEqual({
      start: 48_000,
      count: 4800,
      total: 4800,
    });
    expect(segmentSamples({ start_sec: 0, duration_sec: 6.2, target_sec: 7.25 })).toEqual({
      start: 0,
      count: 297_600,
      total: 348_000,
    });
    expect(segmentSamples({ start_sec: 0, duration_sec: 2, target_sec: 1 }).total).toBe(96_000);
  });
});

describe('ENCODING, the legacy form', () => {
  const legacy = {
    id: '42',
    language: 'en',
    subtitles: true,
    name: 'exported_video.mp4',
    input_video_name: 'video.mp4',
    bucket: 'videos',
    bucket_parent_folder: '/jobs/',
  };

  it('finds everything in one folder', () => {
    expect(withUris(legacy)).toMatchObject({
      input_video_uri: 's3://videos/jobs/42/video.mp4',
      input_audio_uri: 's3://videos/jobs/42/exported_with_music.wav',
      subtitles_uri: 's3://videos/jobs/42/subtitles_en.ass',
      output_video_uri: 's3://videos/jobs/42/exported_video.mp4',
    });
  });

  it('takes a bucket with its scheme, no parent folder, and no subtitles', () => {
    const uris = withUris({ ...legacy, bucket: 'gs://videos', bucket_parent_folder: '', subtitles: false });
    expect(uris).toMatchObject({ input_video_uri: 'gs://videos/42/video.mp4' });
    expect(uris.subtitles_uri).toBeUndefined();
  });

  it('is told from the form with URIs', () => {
    expect(parseTask({ task: 'ENCODING', parameters: legacy }).parameters).toMatchObject({ bucket_parent_folder: '/jobs/' });
  });
});

describe('run contexts', () => {
  it('are found in parameters that are otherwise wrong', () => {
    const parameters = {
      segments: [{ millrace: MILLRACE }, 7, { millrace: { job: 'j' } }, null],
      millrace: { ...MILLRACE, item: 'whole' },
    };
    expect(runContextsOf(parameters).map(({ item }) => item)).toEqual(['whole', '0']);
  });

  it('hold the planned version of each input, or of each entry', () => {
    const item = { ...MILLRACE, input_etags: { source_uri: 'a', segment_urls: ['b', null] } };
    expect(plannedEtag(item, 'source_uri')).toBe('a');
    expect([0, 1, 2].map((index) => plannedEtag(item, 'segment_urls', index))).toEqual(['b', null, undefined]);
    expect(plannedEtag(undefined, 'source_uri')).toBeUndefined();
  });
});

describe('destinationOf', () => {
  const put = 'https://store.example/out.mp4?X-Amz-Signature=abc';

  it('writes to the presigned URL and reports the best name there is, never a query', () => {
    expect(destinationOf({ output_put_url: put }, undefined)).toMatchObject({
      kind: 'put',
      url: put,
      reportedUri: 'https://store.example/out.mp4',
    });
    expect(destinationOf({ output_put_url: put, output_video_uri: 's3://videos/o.mp4' }, undefined).reportedUri).toBe(
      's3://videos/o.mp4',
    );
    const millrace = { ...MILLRACE, output_uri: 'gs://videos/j/o.mp4' };
    expect(destinationOf({ output_put_url: put, output_video_uri: 's3://videos/o.mp4', millrace }, undefined).reportedUri).toBe(
      'gs://videos/j/o.mp4',
    );
  });

  it('says what to do where it has no credentials', () => {
    expect(() => destinationOf({ dest_uri: 's3://videos/o.mp4' }, () => undefined)).toThrow(
      expect.objectContaining({ code: 'DESTINATION_REFUSED', fix: expect.stringContaining('output_put_url') }),
    );
  });
});
