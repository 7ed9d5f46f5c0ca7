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
