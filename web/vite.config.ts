import type { Plugin } from 'vite'
import { defineConfig } from 'vitest/config'

/**
 * Shaka's stylesheet asks Google for the Roboto font. The pages load nothing from other sites, and their content security
 * policy would refuse it, so the rule is cut out and the player uses the page's own fonts.
 */
const withoutForeignFonts: Plugin = {
  name: 'without-foreign-fonts',
  enforce: 'pre',
  transform(code, id) {
    if (!id.includes('shaka-player') || !id.endsWith('.css')) return undefined
    return { code: code.replace(/@font-face\s*\{[^}]*\}/g, ''), map: null }
  },
}

/** Where `npm run dev` finds the API and the media: a stack that `cargo run` started, or a deployed one. */
const matineeOrigin = process.env['MATINEE_ORIGIN'] ?? 'http://127.0.0.1:8080'

export default defineConfig({
  plugins: [withoutForeignFonts],
  build: {
    // light-dark(), popover and <dialog> are relied upon.
    target: ['chrome123', 'firefox125', 'safari17.5'],
    // Nothing becomes a data: URL, so that the content security policy can stay at 'self'.
    assetsInlineLimit: 0,
    // The player is about 1 MB in a chunk of its own that only the watch page loads.
    chunkSizeWarningLimit: 1100,
  },
  server: {
    // The service takes its cookie from its own origin's pages only.
    proxy: Object.fromEntries(
      ['/api', '/media', '/posters', '/live/'].map((path) => [
        path,
        { target: matineeOrigin, changeOrigin: true, headers: { origin: matineeOrigin } },
      ]),
    ),
  },
  test: {
    include: ['test/**/*.test.ts'],
    // What a busy machine may take, not what anything should: by itself Vitest gives up after one second, and after five.
    expect: { poll: { timeout: 30_000 } },
    testTimeout: 60_000,
  },
})
