import { expect, test } from 'vitest'
import { clock, resolution, roughly, size } from '../src/format'

test('a clock shows hours only when there are any', () => {
  expect([0, 7_400, 61_000, 3_599_600, 3_723_000].map(clock)).toEqual(['0:00', '0:07', '1:01', '1:00:00', '1:02:03'])
})

test('sizes never read 1000 of a unit', () => {
  expect([0, 1, 999, 1000, 999_960, 48_200_000, 999_700_000, 7.5e12].map(size)).toEqual([
    '0 bytes',
    '1 byte',
    '999 bytes',
    '1 kB',
    '1 MB',
    '48.2 MB',
    '1 GB',
    '7.5 TB',
  ])
})

test('time left is told roughly', () => {
  expect([3_000, 22_000, 60_000, 175_000, 3_600_000, 5_400_000].map(roughly)).toEqual([
    'a few seconds',
    'about 20 seconds',
    'about a minute',
    'about 3 minutes',
    'about an hour',
    'about 1.5 hours',
  ])
})

test('resolutions have their usual names, upright films too', () => {
  expect([resolution(1280, 720), resolution(1080, 1920), resolution(3840, 2160)]).toEqual(['720p', '1080p', '4K'])
})
