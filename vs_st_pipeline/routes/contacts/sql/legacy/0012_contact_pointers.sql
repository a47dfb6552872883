-- What a contact is found by, beside its body, so that nobody decodes all bodies to find one.
alter table raw.simpletexting_contacts add column phone varchar;        -- ten digits; null: no North American number
alter table raw.simpletexting_contacts add column email varchar;        -- in small letters; null: blank
alter table raw.simpletexting_contacts add column customer_id varchar;  -- what VScustomerID says; null: blank
alter table raw.simpletexting_contacts add column status varchar;       -- subscriptionStatus

-- What SQL can say of it; the next sync lists all contacts and says it exactly.
update raw.simpletexting_contacts as c set
    phone = nullif(regexp_extract(json_extract_string(body, '$.contactPhone'), '^[2-9][0-9]{2}[2-9][0-9]{6}$'), ''),
    email = nullif(lower(trim(json_extract_string(body, '$.email'))), ''),
    status = coalesce(json_extract_string(body, '$.subscriptionStatus'), ''),
    customer_id = (
        select nullif(trim(any_value(json_extract_string(c.body, '$.customFields."' || name || '"'))), '')
        from (select coalesce(nullif(trim(merge_tag), ''), label) as name from raw.simpletexting_custom_fields
              where lower(label) = 'vscustomerid')
    );
delete from raw.marks where name = 'contacts_full';

-- The body that a plan compared, where the planning run had read it itself; null: it knew of nothing newer.
alter table planned.contacts add column compared varchar;
