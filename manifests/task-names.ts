/** What the worker can do. PING is not for pipelines: it has no output. */
export const TASK_NAMES = ['STAGE_OBJECT', 'AUDIO_TRIM', 'DOWNSAMPLING', 'ENCODING', 'CONCATENATION', 'JOIN_CHUNKS'] as const;
