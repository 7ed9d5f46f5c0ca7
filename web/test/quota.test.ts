import { expect, test } from 'vitest'
import type { Quota } from '../src/api/client'
import { leftText, noRoomText, tooLargeText } from '../src/upload/quota'

const quota: Quota = {
  bytes_used: 600,
  bytes_limit: 1000,
  uploads_waiting: 0,
  uploads_limit: 2,
  file_bytes_limit: 500,
}

test('what is left is told', () => {
  expect(leftText(quota)).toBe('400 bytes of 1 kB are left, in films of up to 500 bytes.')
  expect(leftText({ ...quota, bytes_used: 1200, uploads_waiting: 1 })).toBe(
    '0 bytes of 1 kB are left, in films of up to 500 bytes. 1 of at most 2 uploads waits for parts.',
  )
})

test('a film may be as large as the limit, and no larger', () => {
  expect(tooLargeText(quota, { name: 'a.mp4', size: 500 })).toBeUndefined()
  expect(tooLargeText(quota, { name: 'a.mp4', size: 501 })).toContain('at most 500 bytes')
})

test('films fit up to the last byte, beside those that are about to be sent', () => {
  expect(noRoomText(quota, [100, 300], [])).toBeUndefined()
  expect(noRoomText(quota, [100, 200], [100])).toBeUndefined()
  expect(noRoomText(quota, [100, 200], [101])).toContain('299 bytes are left')
  expect(noRoomText({ ...quota, bytes_used: 2000 }, [1], [])).toContain('0 bytes are left')
  expect(noRoomText({ ...quota, bytes_used: 2000 }, [], [])).toBeUndefined()
})

test('no upload begins beside as many as may wait', () => {
  expect(noRoomText({ ...quota, uploads_waiting: 1 }, [1], [])).toBeUndefined()
  expect(noRoomText({ ...quota, uploads_waiting: 2 }, [1], [])).toContain('2 uploads wait')
})
