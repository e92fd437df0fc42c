/** STAGE_OBJECT: fetches a file into the bucket. Constant memory; disk only where the source cannot be read in ranges. */
import type { StageObjectParameters } from '../manifests/tasks.ts';
import { contentTypeFor } from './outputs/content-type.ts';
import type { TaskOutput } from './task.ts';
import { plannedEtag, type TaskContext } from './task-context.ts';

export async function stageObject(parameters: StageObjectParameters, context: TaskContext): Promise<TaskOutput> {
  const destination = context.destination(parameters);
  const input = await context.openInput(parameters.source_uri, plannedEtag(parameters.millrace, 'source_uri'));
  const contentType = contentTypeFor(parameters.content_type, input.contentType, [input.fileName, destination.reportedUri]);
  await context.upload(destination, { sizeBytes: input.totalBytes, contentType, open: () => input.stream() });
  return {
    statusCode: 200,
    body: 'Staged.',
    output_uri: destination.reportedUri,
    content_type: contentType,
    bytes_written: input.totalBytes,
  };
}
