import { ROLES, type Role } from "@/session/permissions";
import { Checkbox } from "@/ui/field";

/** Everyone is a standard user, so that role stays. */
export function RoleChoice({ roles, onChange, disabled }: { roles: readonly Role[]; onChange: (roles: readonly Role[]) => void; disabled?: boolean }) {
  return (
    <fieldset disabled={disabled}>
      <legend className="mb-1 text-[0.93rem] font-medium">Roles</legend>
      {ROLES.map((role) => (
        <Checkbox
          key={role.name}
          label={role.label}
          hint={role.what}
          disabled={role.name === "StandardUser"}
          checked={role.name === "StandardUser" || roles.includes(role.name)}
          onChange={(event) => onChange(event.target.checked ? [...roles, role.name] : roles.filter((each) => each !== role.name))}
        />
      ))}
    </fieldset>
  );
}
