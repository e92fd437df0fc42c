import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { chooseOperation } from '../../../../local/bucket/operations.ts';
import { parseTarget } from '../../../../local/bucket/request.ts';

function choose(method: string, url: string, headers: Record<string, string> = {}): string {
  const target = parseTarget(url, '127.0.0.1:9000');
  const message = new IncomingMessage(new Socket());
  return chooseOperation({
    ...target,
    method,
    headers: new Map(Object.entries(headers)),
    parameters: new Map(target.query),
    sourceIpAddress: '127.0.0.1',
    message,
    wantBody: () => undefined,
  }).name;
}

describe('chooseOperation', () => {
  test.each([
    ['GET', '/', 'ListBuckets'],
    ['GET', '/b', 'ListObjects'],
    ['GET', '/b/?list-type=2&prefix=x', 'ListObjectsV2'],
    ['PUT', '/b/k?x-id=PutObject', 'PutObject'],
    ['PUT', '/b/k?partNumber=1&uploadId=u', 'UploadPart'],
    ['POST', '/b/k?uploads', 'CreateMultipartUpload'],
    ['POST', '/b/k?uploadId=u', 'CompleteMultipartUpload'],
    ['GET', '/b/k?uploadId=u', 'ListParts'],
    ['GET', '/b/k?response-content-type=x', 'GetObject'],
    ['DELETE', '/b/k?uploadId=u', 'AbortMultipartUpload'],
    ['POST', '/b?delete', 'DeleteObjects'],
  ])('takes %s %s for %s', (method, url, expected) => {
    expect(choose(method, url)).toBe(expected);
  });

  test('tells a copy from an upload', () => {
    expect(choose('PUT', '/b/k', { 'x-amz-copy-source': 'b/a' })).toBe('CopyObject');
    expect(choose('PUT', '/b/k?partNumber=1&uploadId=u', { 'x-amz-copy-source': 'b/a' })).toBe('UploadPartCopy');
  });

  test.each([
    ['PUT', '/b/k?tagging'],
    ['PUT', '/b/k?acl'],
    ['PUT', '/b/k?foo'],
    ['PUT', '/b/k?partNumber=1'],
    ['GET', '/b/k?versionId=null'],
    ['GET', '/b/k?attributes'],
    ['DELETE', '/b/k?tagging'],
    ['PUT', '/b?versioning'],
    ['PUT', '/b?policy'],
    ['DELETE', '/b?lifecycle'],
    ['GET', '/b?versions'],
    ['POST', '/b'],
    ['POST', '/b/k?select&select-type=2'],
    ['PATCH', '/b/k'],
    ['OPTIONS', '/b/k'],
  ])('refuses %s %s', (method, url) => {
    expect(() => choose(method, url)).toThrow(expect.objectContaining({ code: 'NotImplemented' }));
  });

  test.each([
    'x-amz-server-side-encryption',
    'x-amz-server-side-encryption-customer-algorithm',
    'x-amz-tagging',
    'x-amz-object-lock-mode',
    'x-amz-website-redirect-location',
    'x-amz-write-offset-bytes',
    'x-amz-grant-read',
    'x-amz-invented-tomorrow',
  ])('refuses a PUT with %s', (name) => {
    expect(() => choose('PUT', '/b/k', { [name]: 'value' })).toThrow(expect.objectContaining({ code: 'NotImplemented' }));
  });

  test('obeys a header only in the values that it does anyway', () => {
    expect(choose('PUT', '/b/k', { 'x-amz-acl': 'private', 'x-amz-storage-class': 'STANDARD' })).toBe('PutObject');
    for (const header of [{ 'x-amz-acl': 'public-read' }, { 'x-amz-storage-class': 'GLACIER' }]) {
      expect(() => choose('PUT', '/b/k', header)).toThrow(expect.objectContaining({ code: 'NotImplemented' }));
    }
  });

  test('refuses the bucket of another account', () => {
    expect(() => choose('GET', '/b/k', { 'x-amz-expected-bucket-owner': '111111111111' })).toThrow(
      expect.objectContaining({ code: 'AccessDenied' }),
    );
  });
});

describe('parseTarget', () => {
  test.each([
    ['/b/a%20b/%C3%A4+', undefined, 'b', 'a b/ä+'],
    ['/b/../x', undefined, 'b', '../x'],
    ['/b//a', undefined, 'b', '/a'],
    ['/b/', undefined, 'b', undefined],
    ['/', undefined, undefined, undefined],
    ['/a/k', 'videos.localhost:9000', 'videos', 'a/k'],
    ['/', 'videos.localhost', 'videos', undefined],
  ])('reads %s at %s', (url, host, bucket, key) => {
    expect(parseTarget(url, host)).toMatchObject({ bucket, key });
  });

  test.each(['http://elsewhere/b/k', '/b/%ff', '/b/%zz', '/b/a%00b'])('refuses %s', (url) => {
    expect(() => parseTarget(url, undefined)).toThrow(expect.objectContaining({ code: 'InvalidURI' }));
  });
});
