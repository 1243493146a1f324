export function ModelsPage() { return <p>soon</p>; }
