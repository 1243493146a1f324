/** Stands in for `react-remove-scroll`, which Radix wraps around dialogs: the page behind does not scroll.
 *
 * That package writes a `<style>` element, which `style-src 'self'` forbids; this sets the root element's own style.
 */
import { useEffect, type ElementType, type ReactNode, type Ref } from "react";

interface Props {
  as?: ElementType;
  children?: ReactNode;
  ref?: Ref<HTMLElement>;
  allowPinchZoom?: boolean;
  shards?: unknown;
}

let locks = 0;

/** The place of the scroll bar is kept free meanwhile, so that nothing moves and the veil covers it. */
function lock() {
  const { style, clientWidth } = document.documentElement;
  style.paddingRight = `${innerWidth - clientWidth}px`;
  style.scrollbarGutter = "auto";
  style.overflow = "hidden";
}

function unlock() {
  const { style } = document.documentElement;
  style.paddingRight = style.scrollbarGutter = style.overflow = "";
}

export function RemoveScroll({ as: As = "div", children, ref }: Props) {
  useEffect(() => {
    locks += 1;
    if (locks === 1) lock();
    return () => {
      locks -= 1;
      if (locks === 0) unlock();
    };
  }, []);
  return <As ref={ref}>{children}</As>;
}
