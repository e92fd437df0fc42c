import { expect, test } from 'vitest';
import { nearestName } from '../../../manifests/nearest-name.ts';

const KNOWN = ['source_uri', 'dest_key', 'content_type', 'start_sec', 'duration_sec', 'id'];

test.each([
  ['sorce_uri', 'source_uri'],
  ['sourceUri', 'source_uri'],
  ['SOURCE-URI', 'source_uri'],
  ['dest_kye', 'dest_key'],
  ['duration', 'duration_sec'],
  ['contenttypes', 'content_type'],
  ['start_secs', 'start_sec'],
  ['speaker', undefined],
  ['ix', undefined],
  ['dur', undefined],
  ['', undefined],
  ['x'.repeat(100_000), undefined],
])('%s is meant to be %s', (name, expected) => {
  expect(nearestName(name, KNOWN)).toBe(expected);
});

test('the closest of several wins', () => {
  expect(nearestName('start_sex', ['stort_sez', 'start_sec'])).toBe('start_sec');
});
