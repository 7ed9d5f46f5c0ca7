import { render, type TemplateResult } from 'lit-html'

/**
 * Draws a view into `root` now, and again in the next frame after each call of the returned function; calls within a frame are
 * one. Nothing is drawn once `left` has fired.
 */
export function keepDrawn(root: HTMLElement, view: () => TemplateResult, left?: AbortSignal): () => void {
  let asked = false
  const draw = () => {
    asked = false
    if (!left?.aborted) render(view(), root)
  }
  draw()
  return () => {
    if (asked) return
    asked = true
    // A timer beside the frame: a page in the background gets no frames, and must not come back outdated.
    if (document.hidden) setTimeout(draw)
    else requestAnimationFrame(draw)
  }
}
