/** Every ffmpeg that suites go through: the system's, the embedded one, and the one that FFMPEG_PATH names. */
import { locateAll } from '../../handlers/ffmpeg/locate.ts';

const ffmpegPath = process.env.FFMPEG_PATH;

export const ALL_TOOLS = await locateAll(ffmpegPath === undefined ? {} : { ffmpegPath });
