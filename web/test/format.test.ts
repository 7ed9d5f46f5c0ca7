import { expect, test } from 'vitest'
import { bitrate, clock, counted, delay, resolution, roughly, size } from '../src/format'

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

test('rates of streams are told in the units of networks', () => {
  expect([0, 850_000, 999_400, 999_600, 2_400_000, 12_000_000].map(bitrate)).toEqual([
    '0 kbit/s',
    '850 kbit/s',
    '999 kbit/s',
    '1 Mbit/s',
    '2.4 Mbit/s',
    '12 Mbit/s',
  ])
})

test('counted time is exact until its seconds stop to matter', () => {
  expect([0, 31, 60, 247, 3600, 7505, 86_400].map(counted)).toEqual([
    '0 s',
    '31 s',
    '1 min',
    '4 min 7 s',
    '1 h',
    '2 h 5 min',
    '24 h',
  ])
})

test('a delay always has its tenth, so that it doesn’t jump about', () => {
  expect([0, 1, 1.24, 12].map(delay)).toEqual(['0.0 s', '1.0 s', '1.2 s', '12.0 s'])
})
