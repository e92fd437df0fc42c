import { startMiniflareR2 } from '../../peers/miniflare.ts';
import { BUCKET } from './peer.ts';
import { s3Suite } from './suite.ts';

s3Suite({ name: 'miniflare', createsBuckets: false, start: () => startMiniflareR2(BUCKET) });
