import { startMoto } from '../../peers/moto.ts';
import { s3Suite } from './suite.ts';

s3Suite({
  name: 'moto',
  createsBuckets: true,
  start: async () => {
    const moto = await startMoto();
    return moto === null ? null : { ...moto, credentials: { accessKeyId: 'moto-access', secretAccessKey: 'moto-secret' } };
  },
});
