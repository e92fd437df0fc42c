import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { createGcsClient, type GcsClient } from '../../../storage/gcs-client.ts';
import { createGcsPresigner } from '../../../storage/gcs-presign.ts';

const DAY_SECONDS = 24 * 3600;
const TOKEN = 'ya29.a-token';

interface Signer {
  readonly client_email?: string;
  readonly private_key?: string;
}

/** The parts of Google's library that signing needs. */
function presignerOf(signer: Signer | Error, sign: () => Promise<[string]> = async () => ['https://signed']) {
  const library = {
    authClient: {
      getCredentials: async () => {
        if (signer instanceof Error) throw signer;
        return signer;
      },
    },
    bucket: () => ({ file: () => ({ getSignedUrl: sign }) }),
  };
  const client = { library: async () => library, inTime: <T>(work: Promise<T>) => work } as unknown as GcsClient;
  return createGcsPresigner(client, 'videos');
}

describe('createGcsPresigner', () => {
  test('a service account’s key signs for seven days and no longer', async () => {
    const presigner = presignerOf({ client_email: 'a@b', private_key: 'key' });
    expect(await presigner.get('x', 7 * DAY_SECONDS)).toBe('https://signed');
    for (const seconds of [7 * DAY_SECONDS + 1, 0, 1.5]) {
      await expect(presigner.get('x', seconds)).rejects.toMatchObject({ code: 'PRESIGN_IMPOSSIBLE', retryable: false });
    }
  });

  test('what IAM signs is good for twelve hours, and the refusal says how to live with that', async () => {
    const presigner = presignerOf({ client_email: 'a@b' });
    expect(await presigner.get('x', DAY_SECONDS / 2)).toBe('https://signed');
    await expect(presigner.get('x', DAY_SECONDS / 2 + 1)).rejects.toMatchObject({
      code: 'PRESIGN_IMPOSSIBLE',
      message: expect.stringContaining('43200'),
      fix: expect.stringContaining('MILLRACE_MAX_TTL_SECONDS'),
    });
  });

  test('a person’s credentials cannot sign, and the error says what can', async () => {
    await expect(presignerOf({}).get('x', 60)).rejects.toMatchObject({
      code: 'PRESIGN_IMPOSSIBLE',
      fix: expect.stringContaining('GOOGLE_APPLICATION_CREDENTIALS'),
    });
  });

  test('a failed signature carries nothing of the request, and only IAM’s may be tried again', async () => {
    const failing = () => Promise.reject(new Error(`POST iamcredentials: Authorization: Bearer ${TOKEN}`));
    for (const [signer, retryable] of [
      [{ client_email: 'a@b' }, true],
      [{ client_email: 'a@b', private_key: 'key' }, false],
    ] as const) {
      const error = await presignerOf(signer, failing)
        .get('x', 60)
        .catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'PRESIGN_IMPOSSIBLE', retryable });
      expect(String(error) + JSON.stringify(error) + String((error as Error).cause)).not.toContain(TOKEN);
    }
  });

  test('a metadata server that is away for once is asked again', async () => {
    let away = true;
    const signer = {
      get client_email() {
        if (away) throw Object.assign(new Error('away'), { code: 'ECONNREFUSED' });
        return 'a@b';
      },
    };
    const presigner = presignerOf(signer);
    await expect(presigner.get('x', 60)).rejects.toMatchObject({ code: 'STORE_UNREACHABLE', retryable: true });
    away = false;
    expect(await presigner.get('x', 60)).toBe('https://signed');
  });

  test('a key that a URL cannot hold is refused', async () => {
    await expect(presignerOf({ client_email: 'a@b', private_key: 'key' }).get('a/../b', 60)).rejects.toMatchObject({
      code: 'URI_INVALID',
    });
  });
});

describe('createGcsClient', () => {
  const folders: string[] = [];
  afterEach(() => {
    delete process.env.GOOGLE_APPLICATION_CREDENTIALS;
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
  });

  test('with a person’s credentials of the environment nothing can be signed, and nobody is asked over the network', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-adc-'));
    folders.push(folder);
    const file = join(folder, 'adc.json');
    writeFileSync(file, JSON.stringify({ type: 'authorized_user', client_id: 'i', client_secret: 's', refresh_token: 'r' }));
    process.env.GOOGLE_APPLICATION_CREDENTIALS = file;
    const client = createGcsClient({ apiEndpoint: 'http://127.0.0.1:1' });
    await expect(createGcsPresigner(client, 'videos').put('x', 60, {})).rejects.toMatchObject({ code: 'PRESIGN_IMPOSSIBLE' });
    client.close();
  });
});
