import { expect, test } from 'vitest'
import { matchRoute, type Route } from '../src/router'

const route = (path: string): Route => ({ path, title: path, load: () => Promise.reject(new Error('not loaded here')) })
const routes = [route('/'), route('/watch/{id}'), route('/uploads')]

test('a parameter is taken from its segment and decoded', () => {
  expect(matchRoute(routes, '/watch/a%20b')).toMatchObject({ route: { path: '/watch/{id}' }, params: { id: 'a b' } })
})

test('a slash at the end makes no difference', () => {
  expect(matchRoute(routes, '/uploads/')?.route.path).toBe('/uploads')
  expect(matchRoute(routes, '/')?.route.path).toBe('/')
})

test.each(['/watch', '/watch/', '/watch/a/b', '/watch/%E0%A4%A', '/upload'])('%s is no page', (path) => {
  expect(matchRoute(routes, path)).toBeUndefined()
})
