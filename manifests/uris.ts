/** The URI fields that manifests and tasks share. What is allowed where is decided by the program, not by the schema. */
import { z } from 'zod';

const uri = (error: string, pattern: RegExp) => z.string({ error }).regex(pattern, { error });

/** Something to read. */
export const InputUri = uri('expected an s3://, gs:// or http(s):// URI', /^(s3|gs|https?):\/\/\S+$/);

/** Something to write with the worker's own credentials. */
export const OutputUri = uri('expected an s3:// or gs:// URI', /^(s3|gs):\/\/\S+$/);

/** Something to write without credentials. A secret. */
export const PutUrl = uri('expected a presigned http(s) URL', /^https?:\/\/\S+$/);

export const MediaType = uri('expected a media type such as audio/mp4', /^[\w.+-]+\/[\w.+-]+(;.*)?$/);
