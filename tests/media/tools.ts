/** Every ffmpeg that suites go through: the system's, the embedded one, and the one that FFMPEG_PATH names. */
import { locateAll } from '../../handlers/ffmpeg/locate.ts';
import { recordPeer, recordPeerMissing } from '../peers/peers.ts';

const ffmpegPath = process.env.FFMPEG_PATH;

export const ALL_TOOLS = await locateAll(ffmpegPath === undefined ? {} : { ffmpegPath });

for (const { origin, version } of ALL_TOOLS) recordPeer(`ffmpeg (${origin})`, version);
if (!ALL_TOOLS.some(({ origin }) => origin === 'system'))
  recordPeerMissing('ffmpeg (system)', 'is not installed: the embedded one is tested alone');
