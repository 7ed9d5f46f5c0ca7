import { expect, test, vi } from 'vitest'

vi.stubGlobal('location', { origin: 'https://films.example' })
const { longestFirst } = await import('../src/live-usage')
const { credentials } = await import('../src/player/live-stream')

test('what was watched longest comes first, and ties by name', () => {
  expect(longestFirst({ zato02: 31, zato01: 31, zato03: 4000 })).toEqual([
    { channel: 'zato03', seconds: 4000 },
    { channel: 'zato01', seconds: 31 },
    { channel: 'zato02', seconds: 31 },
  ])
  expect(longestFirst({})).toEqual([])
})

test('credentials are viewer and ticket in base64, in UTF-8', () => {
  expect(credentials('anna', '1.k.s')).toBe('Basic YW5uYToxLmsucw==')
  expect(atob(credentials('é', 't').slice('Basic '.length))).toBe('\u00c3\u00a9:t')
})
