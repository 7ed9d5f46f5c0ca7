import { expect, test } from 'vitest'
import { Problem } from '../src/api/problem'

test('problem details keep their code, sentence, fields and request id', () => {
  const problem = Problem.from(400, {
    type: 'urn:matinee:problem:invalid-request',
    title: 'Invalid request',
    status: 400,
    detail: 'The name is too long.',
    request_id: 'r-1',
    errors: [{ field: 'name', detail: 'At most 300 characters.' }, 'nonsense'],
  })
  expect(problem).toMatchObject({ status: 400, code: 'invalid-request', message: 'The name is too long.', requestId: 'r-1' })
  expect(problem.fields).toEqual([{ field: 'name', detail: 'At most 300 characters.' }])
  expect(problem.isPassing).toBe(false)
})

test('the words of the gateway are translated', () => {
  expect(Problem.from(401, { message: 'Unauthorized' }).message).toBe('Your session has ended. Please sign in again.')
  expect(Problem.from(503, { message: 'Service Unavailable' }).isPassing).toBe(true)
})

test.each([undefined, '', '<html>Bad gateway</html>', null, 7])('a body of %j still makes a sentence', (body) => {
  expect(Problem.from(502, body).message).toMatch(/^[A-Z].*\.$/)
})
