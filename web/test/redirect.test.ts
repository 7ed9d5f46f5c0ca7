import { expect, test } from 'vitest'
import { safeRedirect, signInPath, withRedirect } from '../src/redirect'

const origin = 'https://films.example'

test.each([
  ['/watch/7', '/watch/7'],
  ['/watch/7?t=12#comments', '/watch/7?t=12#comments'],
  ['/uploads', '/uploads'],
  ['/a/../upload', '/upload'],
  ['/search?next=https://evil.example/', '/search?next=https://evil.example/'],
])('a path on this site is followed: %s', (target, expected) => {
  expect(safeRedirect(target, origin)).toBe(expected)
})

test.each([
  [null],
  [''],
  ['watch/7'],
  ['https://evil.example/'],
  ['https://films.example/watch/7'],
  ['//evil.example'],
  ['///evil.example'],
  ['/\\evil.example'],
  ['\\/evil.example'],
  ['/\t/evil.example'],
  ['/\n/evil.example'],
  ['\t//evil.example'],
  [' //evil.example'],
  ['/.//evil.example'],
  ['/watch/..//evil.example'],
  ['javascript:alert(1)'],
  ['data:text/html,x'],
  ['@evil.example'],
  ['.evil.example'],
])('anything else leads home: %j', (target) => {
  expect(safeRedirect(target, origin)).toBe('/')
})

test('the sign-in page never sends back to itself', () => {
  expect(safeRedirect('/sign-in?redirect=/upload', origin)).toBe('/')
})

test('the page that asked for signing in is named, with its query', () => {
  expect(signInPath('/watch/7?t=12')).toBe('/sign-in?redirect=%2Fwatch%2F7%3Ft%3D12')
  expect(signInPath('/')).toBe('/sign-in')
})

test.each(['/sign-in', '/register?redirect=/watch/7', '/confirm', '/forgot'])('a page for guests is no aim: %s', (target) => {
  expect(safeRedirect(target, origin)).toBe('/')
})

test('the aim is kept from one page for guests to the next', () => {
  expect(withRedirect('/register', new URLSearchParams({ redirect: '/watch/7?t=1', x: '2' }))).toBe('/register?redirect=%2Fwatch%2F7%3Ft%3D1')
  expect(withRedirect('/register', new URLSearchParams())).toBe('/register')
})

/** Numbers that follow from the seed (a linear congruential generator), so that a failure can be had again. */
function* numbers(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    yield state >>> 8
  }
}

test('whatever a link says, one stays on this site, and signing in again leads to the same place', () => {
  const pieces = ['/', '//', '\\', '.', '..', '/./', '%2f', '%5c', '%00', '\t', '\n', '\r', '\u0000', '@', ':', '?', '#', ' ', '\u2028', '／',
    '\uFF0F', 'https:', 'javascript:', 'evil.example', 'films.example', 'watch', '7', 'é', '\ud800', '[::1]', '&', '=', 'sign-in']
  const random = numbers(20_261_121)
  const next = (below: number) => random.next().value % below
  let followed = 0
  const wrong: string[] = []
  for (let run = 0; run < 20_000; run++) {
    const target = (next(4) === 0 ? '' : '/') + Array.from({ length: next(7) }, () => pieces[next(pieces.length)]).join('')
    const aim = safeRedirect(target, origin)
    const stays = new URL(aim, `${origin}/sign-in`).origin === origin && /^\/(?![/\\])/.test(aim)
    if (!stays || safeRedirect(aim, origin) !== aim) wrong.push(JSON.stringify([target, aim]))
    if (aim !== '/') followed++
  }
  expect(wrong).toEqual([])
  expect(followed, 'ordinary paths are followed').toBeGreaterThan(500)
})
