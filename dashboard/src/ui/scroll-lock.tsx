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

export function RemoveScroll({ as: As = "div", children, ref }: Props) {
  useEffect(() => {
    locks += 1;
    document.documentElement.style.overflow = "hidden";
    return () => {
      locks -= 1;
      if (locks === 0) document.documentElement.style.overflow = "";
    };
  }, []);
  return <As ref={ref}>{children}</As>;
}
