import type { Model } from "@/api/types";
import { Badge } from "@/ui/layout";
import { mainTariff, priceInWords } from "./tariffs";

/** What a million tokens of a model cost an application, and whether other calls cost something else. */
export function Price({ model }: { model: Model }) {
  const tariffs = model.tariffs ?? [];
  const main = mainTariff(tariffs);
  const others = tariffs.length - (main ? 1 : 0);
  return (
    <span className="inline-flex items-center gap-x-2 whitespace-nowrap tabular-nums">
      {main ? priceInWords(main) : "Free"}
      {others > 0 && (
        <Badge>
          +{others}
          <span className="sr-only">{others === 1 ? " more tariff" : " more tariffs"}</span>
        </Badge>
      )}
    </span>
  );
}
