import { startGcsServer, strangeCredentials } from './gcs-server.ts';
import { describeObjectStore, type StoreRules } from './object-store-suite.ts';

const start = async () => {
  const server = await startGcsServer();
  const { endpoint: apiEndpoint, open, stop } = server;
  const stranger = { bucket: 'videos', apiEndpoint, credentials: strangeCredentials(server) };
  return { open, openAsStranger: () => open(stranger), stop };
};

const GOOGLE_RULES: StoreRules = {
  etag: /^generation-\d{16}$/,
  markHeader: 'x-goog-meta-fingerprint',
  missingMarkStatus: 400,
  getMethod: 'GET Object',
};

const facts = { checksSignatures: true, largeBytes: 40 * 1024 * 1024, takesOddKeys: true };
describeObjectStore("the local bucket's Google API", start, facts, GOOGLE_RULES);
